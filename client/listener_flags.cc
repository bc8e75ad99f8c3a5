#include "client/listener_flags.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/duration_flag.h"
#include "client/forward_flags.h"
#include "client/number_flag.h"
#include "client/responder_flags.h"
#include "client/switch_flag.h"

namespace sockhost::client {
namespace {

using google::protobuf::Duration;

void AddLabel(const std::string& pair, v1::Listener& listener) {
  const std::pair<std::string, std::string> label = absl::StrSplit(pair, absl::MaxSplits('=', 1));
  if (pair.find('=') == std::string::npos || label.first.empty()) {
    throw CLI::ValidationError("--label", absl::StrCat("\"", pair, "\" is no KEY=VALUE pair"));
  }
  if (!listener.mutable_labels()->insert({label.first, label.second}).second) {
    throw CLI::ValidationError("--label", absl::StrCat("\"", label.first, "\" is given twice"));
  }
}

struct NumberFlag {
  const char* flag;
  const char* field;
  void (v1::Listener::*set)(int32_t);
  NumberRange range;
  const char* description;
};

struct DurationFlag {
  const char* flag;
  const char* field;
  Duration* (v1::Listener::*field_of)();
  const char* description;
};

struct SwitchFlag {
  const char* flag;
  const char* field;
  void (v1::Listener::*set)(bool);
  const char* description;
};

constexpr NumberFlag kNumbers[] = {
    {"--backlog",
     "backlog",
     &v1::Listener::set_backlog,
     {0, 65535},
     "Queue of connections not yet accepted; 0: 4096"},
    {"--max-connections",
     "max_connections",
     &v1::Listener::set_max_connections,
     {},
     "Connections open at the same time; 0: no limit of its own"},
    {"--max-connections-per-source",
     "max_connections_per_source",
     &v1::Listener::set_max_connections_per_source,
     {},
     "The same, from one IPv4 address or /64 of IPv6; 0: no limit"},
    {"--max-accepts-per-event",
     "max_accepts_per_event",
     &v1::Listener::set_max_accepts_per_event,
     {0, 1024},
     "Connections accepted before others have their turn; 0: 16"},
    {"--receive-buffer",
     "receive_buffer_bytes",
     &v1::Listener::set_receive_buffer_bytes,
     {0, 1 << 30},
     "Bytes asked for the receive buffer; 0: the kernel's default"},
    {"--send-buffer",
     "send_buffer_bytes",
     &v1::Listener::set_send_buffer_bytes,
     {0, 1 << 30},
     "Bytes asked for the send buffer; 0: the kernel's default"},
};

constexpr DurationFlag kDurations[] = {
    {"--idle-timeout", "idle_timeout", &v1::Listener::mutable_idle_timeout,
     "Close connections on which nothing happens; 0s: never"},
    {"--max-lifetime", "max_lifetime", &v1::Listener::mutable_max_lifetime,
     "Close connections that are so old; 0s: never"},
    {"--drain-timeout", "drain_timeout", &v1::Listener::mutable_drain_timeout,
     "How long connections may go on after a drain; without it 30s"},
    {"--tcp-user-timeout", "tcp_user_timeout", &v1::Listener::mutable_tcp_user_timeout,
     "How long sent data may stay unacknowledged; 0s: the kernel's default"},
};

constexpr SwitchFlag kSwitches[] = {
    {"--enabled", "enabled", &v1::Listener::set_enabled,
     "Whether it is to be open; --enabled=false closes its socket and keeps the listener"},
    {"--ipv6-only", "ipv6_only", &v1::Listener::set_ipv6_only,
     "An IPv6 address takes no IPv4 traffic"},
    {"--reuse-port", "reuse_port", &v1::Listener::set_reuse_port,
     "Others may be bound to the same address (SO_REUSEPORT)"},
};

// With one of its values given, only that value is named: the others stay as they are.
void AddKeepaliveFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  const CLI::Option* keepalive =
      AddSwitch(app, "--keepalive", "Probe peers that are silent; --keepalive=false: do not",
                [&listener, on_set](bool on) {
                  if (on) {
                    listener.mutable_tcp_keepalive();
                  } else {
                    listener.clear_tcp_keepalive();
                  }
                  on_set("tcp_keepalive");
                });
  const auto values = [keepalive, &listener](const char* flag) -> v1::TcpKeepalive& {
    if (keepalive->count() > 0 && keepalive->results().back() == "false") {
      throw CLI::ValidationError(flag, "there are no probes with --keepalive=false: give only one");
    }
    return *listener.mutable_tcp_keepalive();
  };
  AddDurationFlag(app, "--keepalive-idle", "Silence before the first probe",
                  [values, on_set](absl::Duration d) {
                    SetDuration(d, *values("--keepalive-idle").mutable_idle());
                    on_set("tcp_keepalive.idle");
                  });
  AddDurationFlag(app, "--keepalive-interval", "Time between two probes",
                  [values, on_set](absl::Duration d) {
                    SetDuration(d, *values("--keepalive-interval").mutable_interval());
                    on_set("tcp_keepalive.interval");
                  });
  AddNumberFlag(app, "--keepalive-count",
                "Unanswered probes after which a connection fails; 0: the kernel's default",
                {0, 127}, [values, on_set](int64_t n) {
                  values("--keepalive-count").set_count(static_cast<int32_t>(n));
                  on_set("tcp_keepalive.count");
                });
}

void AddAccessFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  constexpr struct {
    const char* flag;
    const char* path;
    std::string* (v1::UnixAccess::*field)();
    const char* type;
    const char* description;
  } kRows[] = {
      {"--unix-mode", "unix_access.mode", &v1::UnixAccess::mutable_mode, "OCTAL",
       "Permissions of the socket file; of a new listener 0660"},
      {"--unix-owner", "unix_access.owner", &v1::UnixAccess::mutable_owner, "USER",
       "Owner of the socket file"},
      {"--unix-group", "unix_access.group", &v1::UnixAccess::mutable_group, "GROUP",
       "Group of the socket file"},
  };
  for (const auto& row : kRows) {
    app.add_option_function<std::string>(
           row.flag,
           [path = row.path, field = row.field, &listener, on_set](const std::string& text) {
             *(listener.mutable_unix_access()->*field)() = text;
             on_set(path);
           },
           row.description)
        ->type_name(row.type);
  }
}

void AddTexts(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  app.add_option_function<std::string>(
         "--address",
         [&listener, on_set](const std::string& a) {
           listener.set_address(a);
           on_set("address");
         },
         "Where to listen: tcp://HOST:PORT, udp://HOST:PORT (port 0: the kernel chooses), "
         "unix:///PATH, unixgram:///PATH or unix:@NAME")
      ->type_name("ADDRESS");
  app.add_option_function<std::vector<std::string>>(
         "--label",
         [&listener, on_set](const std::vector<std::string>& labels) {
           const bool none = labels.size() == 1 && labels[0].empty();
           for (const std::string& label : labels) {
             if (!none) AddLabel(label, listener);
           }
           on_set("labels");
         },
         "Label; can be given several times; an update replaces all labels, with '' by none")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "--display-name",
         [&listener, on_set](const std::string& n) {
           listener.set_display_name(n);
           on_set("display_name");
         },
         "Name for people")
      ->type_name("TEXT");
}

}  // namespace

void AddListenerFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  AddTexts(app, listener, on_set);
  for (const NumberFlag& row : kNumbers) {
    AddNumberFlag(app, row.flag, row.description, row.range, [&row, &listener, on_set](int64_t n) {
      (listener.*row.set)(static_cast<int32_t>(n));
      on_set(row.field);
    });
  }
  for (const DurationFlag& row : kDurations) {
    AddDurationFlag(
        app, row.flag, row.description,
        [&row, &listener, on_set](absl::Duration d) {
          SetDuration(d, *(listener.*row.field_of)());
          on_set(row.field);
        },
        LeastDuration::kZero);
  }
  for (const SwitchFlag& row : kSwitches) {
    AddSwitch(app, row.flag, row.description, [&row, &listener, on_set](bool on) {
      (listener.*row.set)(on);
      on_set(row.field);
    });
  }
  AddKeepaliveFlags(app, listener, on_set);
  AddAccessFlags(app, listener, on_set);
  AddForwardFlags(app, listener, on_set);
  AddResponderFlags(app, listener, on_set);
}

}  // namespace sockhost::client
