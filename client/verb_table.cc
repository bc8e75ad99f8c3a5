#include "client/verb_table.h"

#include <algorithm>

#include "client/completion_script.h"
#include "client/completion_words.h"
#include "client/event_verb.h"
#include "client/help_text.h"
#include "client/host_verbs.h"
#include "client/listener_verbs.h"
#include "client/service_verbs.h"
#include "client/socket_verbs.h"
#include "client/watch_verb.h"

namespace sockhost::client {
namespace {

constexpr Verb kVerbs[] = {
    {"listener", "Listeners: the addresses at which sockhostd serves", ""},
    {"listener create", "Open a listener and bind it to a service",
     "sockctl listener create web --service echo --address tcp://127.0.0.1:0 --label env=test",
     DeclareListenerCreate, RunListenerCreate},
    {"listener list", "List all listeners",
     "sockctl listener list --filter 'labels.env = prod' -o json", DeclareListenerList,
     RunListenerList},
    {"listener get", "Show one listener with all its counters", "sockctl listener get web",
     DeclareListenerGet, RunListenerGet},
    {"listener update", "Change a listener; connections live on",
     "sockctl listener update web --idle-timeout 1m --max-connections 100", DeclareListenerUpdate,
     RunListenerUpdate},
    {"listener pause", "Let what comes wait in the queue of a listener",
     "sockctl listener pause web", DeclareListenerPause, RunListenerPause},
    {"listener resume", "End a pause or a drain", "sockctl listener resume web",
     DeclareListenerResume, RunListenerResume},
    {"listener drain", "Close the socket of a listener, and its connections after a while",
     "sockctl listener drain web --drain-timeout 10s", DeclareListenerDrain, RunListenerDrain},
    {"listener delete", "Close listeners and free their addresses",
     "sockctl listener delete web --force", DeclareListenerDelete, RunListenerDelete},
    {"socket", "Sockets: every fd that sockhostd watches", ""},
    {"socket list", "List sockets",
     "sockctl socket list --filter 'listener = web' --order-by 'counters.receive_bytes desc'",
     DeclareSocketList, RunSocketList},
    {"socket get", "Show one socket with all its counters", "sockctl socket get 12 --view full",
     DeclareSocketGet, RunSocketGet},
    {"socket close", "Close connections; what is forwarded ends on both sides",
     "sockctl socket close 12 13", DeclareSocketClose, RunSocketClose},
    {"service", "Services: the handlers that sockhostd knows", ""},
    {"service list", "List all services", "sockctl service list --order-by 'sockets desc'",
     DeclareServiceList, RunServiceList},
    {"service get", "Show one service with all its counters", "sockctl service get echo",
     DeclareServiceGet, RunServiceGet},
    {"host", "Show the daemon: version, limits, statistics of its thread", "sockctl host", nullptr,
     RunHost},
    {"watch", "Show sockets with their counters and rates, again and again",
     "sockctl watch --interval 500ms --filter 'role = CONNECTION'", DeclareWatch, RunWatch},
    {"events", "Show what happens: sockets and listeners that come and go, stalled services",
     "sockctl events --filter 'kind = SOCKET_CLOSED'", DeclareEvents, RunEvents},
    {"health", "Ask whether the daemon serves; exits with 0 only if it does", "sockctl health",
     DeclareHealth, RunHealth},
    {"version", "Show the versions of sockctl and of the daemon", "sockctl version", nullptr,
     RunVersion},
    {"completion", "Print the completion script of a shell", "source <(sockctl completion bash)",
     DeclareCompletion, RunCompletion},
    {"complete", "Print what may follow on a command line; completion scripts call it",
     "sockctl complete -- listener de", DeclareComplete, RunComplete},
    {"help", "Show help", "sockctl help listener create", DeclareHelp, RunHelp},
};

}  // namespace

absl::Span<const Verb> Verbs() { return kVerbs; }

const Verb* FindVerb(absl::string_view path) {
  const auto verb = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                 [path](const Verb& v) { return v.path == path; });
  return verb == std::end(kVerbs) ? nullptr : verb;
}

}  // namespace sockhost::client
