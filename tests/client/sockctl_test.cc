// The real sockctl against a fake admin API: what users and scripts see.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/client/fake_admin.h"
#include "tests/client/sockctl_process.h"

namespace sockhost::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class SockctlTest : public testing::Test {
 protected:
  Finished Run(const std::vector<std::string>& arguments) {
    return RunSockctl(arguments, {{"SOCKCTL_HOST", fake_.unix_address()}});
  }

  void AddListener(const std::string& id) {
    v1::Listener listener;
    listener.set_name("listeners/" + id);
    listener.set_service("services/echo");
    listener.set_effective_address("tcp://127.0.0.1:7");
    listener.set_state(v1::Listener::ACTIVE);
    fake_.answers.listeners.push_back(listener);
  }

  FakeAdmin fake_;
};

TEST_F(SockctlTest, NamesThatAShellWouldRunAreNotCompleted) {
  AddListener("web");
  for (const char* id : {"web;touch x", "$(x)", "`x`", "a b", "a|b", "a\nb", "a'b"})
    AddListener(id);
  EXPECT_EQ(Run({"complete", "--", "listener", "get", ""}).output, "web\n");
}

TEST_F(SockctlTest, ListenerCreateShowsTheNewListener) {
  const Finished created = Run({"listener", "create", "web", "--service", "echo", "--address",
                                "tcp://127.0.0.1:0", "--label", "env=test"});
  EXPECT_EQ(created.exit_code, 0) << created.errors;
  EXPECT_THAT(created.output, HasSubstr("\nweb   echo     tcp://127.0.0.1:0  ACTIVE"));
  EXPECT_EQ(fake_.requests.create_listener.listener_id(), "web");
  EXPECT_EQ(fake_.requests.create_listener.listener().labels().at("env"), "test");
}

TEST_F(SockctlTest, ListenerCreateTakesFullName) {
  const Finished created = Run({"listener", "create", "listeners/web", "--service", "echo",
                                "--address", "tcp://0.0.0.0:0", "-o", "name"});
  EXPECT_EQ(created.output, "listeners/web\n") << created.errors;
  EXPECT_EQ(fake_.requests.create_listener.listener_id(), "web");
}

TEST_F(SockctlTest, ListIsOneTable) {
  AddListener("dns");
  AddListener("web");
  const Finished listed = Run({"listener", "list"});
  EXPECT_EQ(listed.exit_code, 0) << listed.errors;
  EXPECT_EQ(listed.output,
            "NAME  SERVICE  ADDRESS            STATE   CONNECTIONS  EVENTS  RX-BYTES  TX-BYTES  "
            "AGE\n"
            "dns   echo     tcp://127.0.0.1:7  ACTIVE            0       0         0         0    "
            "-\n"
            "web   echo     tcp://127.0.0.1:7  ACTIVE            0       0         0         0    "
            "-\n");
}

TEST_F(SockctlTest, ListIsOneJsonObjectOverAllPages) {
  fake_.answers.page_size = 1;
  AddListener("dns");
  AddListener("web");
  const Finished listed = Run({"listener", "list", "-o", "json"});
  EXPECT_EQ(listed.exit_code, 0) << listed.errors;
  EXPECT_EQ(fake_.requests.calls, 2);
  EXPECT_THAT(listed.output,
              StartsWith("{\n \"listeners\": [\n  {\n   \"name\": \"listeners/dns\""));
  EXPECT_THAT(listed.output, HasSubstr("\"name\": \"listeners/web\""));
  EXPECT_THAT(listed.output, testing::EndsWith(" ],\n \"nextPageToken\": \"\"\n}\n"));
}

TEST_F(SockctlTest, ListOfNames) {
  AddListener("dns");
  AddListener("web");
  EXPECT_EQ(Run({"listener", "list", "-o", "name"}).output, "listeners/dns\nlisteners/web\n");
}

TEST_F(SockctlTest, ListWithoutHeadersIsEmptyIfThereIsNothing) {
  const Finished listed = Run({"socket", "list", "--no-headers", "--filter", "fd > 3"});
  EXPECT_EQ(listed.exit_code, 0) << listed.errors;
  EXPECT_EQ(listed.output, "");
  EXPECT_EQ(fake_.requests.list_sockets.filter(), "fd > 3");
}

TEST_F(SockctlTest, GetTakesIdAndFullName) {
  AddListener("web");
  v1::Socket socket;
  socket.set_name("sockets/12");
  fake_.answers.sockets = {socket};
  v1::Service service;
  service.set_name("services/echo");
  fake_.answers.services = {service};
  EXPECT_THAT(Run({"listener", "get", "web"}).output,
              StartsWith("name               listeners/web\n"));
  EXPECT_EQ(Run({"listener", "get", "listeners/web", "-o", "name"}).output, "listeners/web\n");
  EXPECT_EQ(Run({"socket", "get", "12"}).output, "name  sockets/12\n");
  EXPECT_EQ(Run({"socket", "get", "sockets/12", "-o", "name"}).output, "sockets/12\n");
  EXPECT_EQ(Run({"service", "get", "echo"}).output, "name  services/echo\n");
  EXPECT_THAT(Run({"service", "list"}).output, HasSubstr("\necho "));
}

TEST_F(SockctlTest, ListFlagsReachTheDaemon) {
  EXPECT_EQ(Run({"listener", "list", "--filter", "labels.env = prod", "--order-by", "name desc"})
                .exit_code,
            0);
  EXPECT_EQ(fake_.requests.list_listeners.filter(), "labels.env = prod");
  EXPECT_EQ(fake_.requests.list_listeners.order_by(), "name desc");
  EXPECT_EQ(Run({"service", "list", "--filter", "sockets > 0", "--order-by", "owner"}).exit_code,
            0);
  EXPECT_EQ(fake_.requests.list_services.filter(), "sockets > 0");
  EXPECT_EQ(fake_.requests.list_services.order_by(), "owner");
  EXPECT_EQ(Run({"socket", "list", "--order-by", "fd", "--view", "full", "--closed"}).exit_code, 0);
  EXPECT_EQ(fake_.requests.list_sockets.order_by(), "fd");
  EXPECT_EQ(fake_.requests.list_sockets.view(), v1::SOCKET_VIEW_FULL);
  EXPECT_TRUE(fake_.requests.list_sockets.show_closed());
}

TEST_F(SockctlTest, ViewIsOneOfTwoWords) {
  v1::Socket socket;
  socket.set_name("sockets/12");
  socket.mutable_tcp_info()->set_rtt_micros(7);
  fake_.answers.sockets = {socket};
  EXPECT_THAT(Run({"socket", "get", "12", "--view", "full"}).output, HasSubstr("rtt_micros  7\n"));
  EXPECT_EQ(fake_.requests.get_socket.view(), v1::SOCKET_VIEW_FULL);
  EXPECT_EQ(Run({"socket", "get", "12", "--view", "some"}).exit_code, 2);
}

TEST_F(SockctlTest, CloseGoesOnAfterFailure) {
  v1::Socket socket;
  socket.set_name("sockets/12");
  v1::Socket other;
  other.set_name("sockets/14");
  fake_.answers.sockets = {socket, other};
  const Finished closed = Run({"socket", "close", "12", "13", "sockets/14"});
  EXPECT_EQ(closed.exit_code, 64 + 5);
  EXPECT_EQ(closed.output, "socket 12 closed\nsocket 14 closed\n");
  EXPECT_THAT(closed.errors, StartsWith("sockctl: cannot close socket \"13\": "));
  EXPECT_EQ(Run({"socket", "close", "12", "-o", "name"}).output, "sockets/12\n");
  EXPECT_THAT(Run({"socket", "close", "12", "-o", "json"}).output,
              HasSubstr("\"state\": \"CLOSED\""));
}

TEST_F(SockctlTest, GetPrintsIndentedJson) {
  AddListener("web");
  EXPECT_THAT(Run({"listener", "get", "web", "-o", "json"}).output,
              StartsWith("{\n \"name\": \"listeners/web\",\n"));
}

TEST_F(SockctlTest, MissingResourceExitsWithItsCode) {
  const Finished got = Run({"listener", "get", "nope"});
  EXPECT_EQ(got.exit_code, 64 + 5);
  EXPECT_EQ(got.output, "");
  EXPECT_EQ(got.errors,
            "sockctl: cannot get listener \"nope\": no such resource: listeners/nope "
            "(LISTENER_NOT_FOUND)\n"
            "  hint: 'sockctl listener list' shows the listeners there are\n");
}

TEST_F(SockctlTest, ErrorsAreTextAlsoWithJson) {
  const Finished got = Run({"listener", "get", "nope", "-o", "json"});
  EXPECT_EQ(got.output, "");
  EXPECT_THAT(got.errors, StartsWith("sockctl: cannot get listener"));
}

TEST_F(SockctlTest, CreateErrorNamesFieldAndReason) {
  fake_.answers.error =
      DaemonError(grpc::StatusCode::INVALID_ARGUMENT, "invalid address: tcp://x", "ADDRESS_INVALID",
                  {}, {{"listener.address", "the port is missing"}});
  const Finished created =
      Run({"listener", "create", "web", "--service", "echo", "--address", "tcp://x"});
  EXPECT_EQ(created.exit_code, 64 + 3);
  EXPECT_THAT(created.errors,
              StartsWith("sockctl: cannot create listener \"web\": invalid address: tcp://x "
                         "(ADDRESS_INVALID)\n  listener.address: the port is missing\n"));
}

TEST_F(SockctlTest, DeleteGoesOnAfterFailure) {
  AddListener("a");
  AddListener("c");
  const Finished deleted = Run({"listener", "delete", "a", "b", "listeners/c", "--force"});
  EXPECT_EQ(deleted.exit_code, 64 + 5);
  EXPECT_EQ(deleted.output, "listener \"a\" deleted\nlistener \"c\" deleted\n");
  EXPECT_THAT(deleted.errors, StartsWith("sockctl: cannot delete listener \"b\": "));
  ASSERT_EQ(fake_.requests.delete_listener.size(), 3u);
  EXPECT_TRUE(fake_.requests.delete_listener[2].force());
}

TEST_F(SockctlTest, DeleteReportsEachFailure) {
  const Finished deleted = Run({"listener", "delete", "a", "b"});
  EXPECT_THAT(deleted.errors, HasSubstr("cannot delete listener \"a\""));
  EXPECT_THAT(deleted.errors, HasSubstr("cannot delete listener \"b\""));
}

TEST_F(SockctlTest, DeleteOfMissingListenerCanBeAllowed) {
  const Finished deleted = Run({"listener", "delete", "a", "--allow-missing"});
  EXPECT_EQ(deleted.exit_code, 0) << deleted.errors;
  EXPECT_EQ(deleted.output, "listener \"a\" is gone\n");
  EXPECT_EQ(Run({"listener", "delete", "a", "--allow-missing", "-o", "json"}).output, "{}\n");
  EXPECT_EQ(Run({"listener", "delete", "a", "--allow-missing", "-o", "name"}).output,
            "listeners/a\n");
}

TEST_F(SockctlTest, KeepaliveLeavesTheKindOfProbesAsItIs) {
  AddListener("web");
  fake_.answers.listeners[0].set_etag("\"7\"");
  fake_.answers.listeners[0].mutable_tcp_keepalive()->set_count(3);
  fake_.answers.updates_overtaken = 2;
  const Finished updated = Run({"listener", "update", "web", "--keepalive"});
  EXPECT_EQ(updated.exit_code, 0) << updated.errors;
  EXPECT_THAT(fake_.requests.update_listener.update_mask().paths(), ElementsAre("tcp_keepalive"));
  EXPECT_EQ(fake_.requests.update_listener.listener().tcp_keepalive().count(), 3);
  EXPECT_EQ(fake_.requests.update_listener.listener().etag(), "\"7\"");
  EXPECT_EQ(Run({"listener", "update", "web", "--keepalive", "--keepalive-count=4"}).exit_code, 0);
  EXPECT_THAT(fake_.requests.update_listener.update_mask().paths(),
              ElementsAre("tcp_keepalive.count"));
}

TEST_F(SockctlTest, OvertakenUpdateOfNamedEtagFails) {
  AddListener("web");
  fake_.answers.updates_overtaken = 1;
  EXPECT_EQ(Run({"listener", "update", "web", "--keepalive", "--etag", "8"}).exit_code, 64 + 10);
  EXPECT_EQ(fake_.requests.update_listener.listener().etag(), "\"8\"");
}

TEST_F(SockctlTest, ValidationSaysThatNothingWasKept) {
  AddListener("web");
  EXPECT_THAT(Run({"listener", "update", "web", "--backlog", "9", "--validate-only"}).output,
              HasSubstr("\nall of it can be done; nothing was kept\n"));
  EXPECT_THAT(
      Run({"listener", "update", "web", "--backlog", "9", "--validate-only", "-o", "name"}).output,
      "listeners/web\n");
}

// Three events in one message.
v1::WatchEventsResponse ThreeEvents() {
  v1::WatchEventsResponse message;
  message.set_resume_token("t3");
  for (int i = 1; i <= 3; ++i) {
    v1::Event& event = *message.add_events();
    event.set_sequence(i);
    event.set_kind(v1::Event::SOCKET_OPENED);
    event.mutable_socket()->set_name("sockets/" + std::to_string(i));
  }
  return message;
}

TEST_F(SockctlTest, EventsEndAfterTheirCount) {
  fake_.answers.event_messages = {ThreeEvents()};
  EXPECT_EQ(Run({"events", "--count", "2", "-o", "name"}).output, "sockets/1\nsockets/2\n");
  const std::string json = Run({"events", "--count", "1", "-o", "json"}).output;
  EXPECT_THAT(json, HasSubstr("sockets/1"));
  EXPECT_EQ(json.find("sockets/2"), std::string::npos);
  EXPECT_EQ(json.find("resumeToken"), std::string::npos) << "it stands for the third";
  EXPECT_THAT(Run({"events", "--count", "3", "-o", "json"}).output,
              HasSubstr("\"resumeToken\":\"t3\""));
}

TEST_F(SockctlTest, AnswerThatJsonCannotHoldIsAnErrorAndNoAbort) {
  AddListener("web");
  fake_.answers.listeners[0].mutable_idle_timeout()->set_nanos(2'000'000'000);
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"get", "web"}, std::vector<std::string>{"list"}}) {
    std::vector<std::string> arguments = {"listener"};
    arguments.insert(arguments.end(), verb.begin(), verb.end());
    EXPECT_EQ(Run(arguments).exit_code, 0);
    arguments.insert(arguments.end(), {"-o", "json"});
    const Finished json = Run(arguments);
    EXPECT_EQ(json.exit_code, 1);
    EXPECT_EQ(json.output, "");
    EXPECT_THAT(json.errors, StartsWith("sockctl: cannot print an answer as JSON: "));
  }
}

TEST_F(SockctlTest, EventsBehindOneThatJsonCannotHoldAreNotLost) {
  v1::WatchEventsResponse broken = ThreeEvents();
  broken.set_resume_token("t6");
  broken.mutable_events(0)->mutable_listener()->mutable_idle_timeout()->set_nanos(2'000'000'000);
  fake_.answers.event_messages = {ThreeEvents(), broken, ThreeEvents()};
  const Finished events = Run({"events", "-o", "json"});
  EXPECT_EQ(events.exit_code, 1);
  EXPECT_THAT(events.output, HasSubstr("\"resumeToken\":\"t3\""));
  EXPECT_THAT(events.errors, HasSubstr("; go on with --resume t6\n"));
}

TEST_F(SockctlTest, EventsShowNothingThatIsNotSent) {
  fake_.answers.event_messages = {ThreeEvents()};
  const std::string json = Run({"events", "--count", "1", "-o", "json"}).output;
  for (const char* field : {"cookie", "localAddress", "pollEvents"}) {
    EXPECT_EQ(json.find(field), std::string::npos) << field;
  }
  EXPECT_THAT(json, HasSubstr("\"fd\":0"));
}

TEST_F(SockctlTest, BrokenEventsNameTheTokenToGoOnWith) {
  fake_.answers.event_messages = {ThreeEvents()};
  fake_.answers.watch_end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  EXPECT_THAT(Run({"events"}).errors, HasSubstr("; go on with --resume t3\n"));
}

TEST_F(SockctlTest, BadSwitchIsUsageErrorAndNoAbort) {
  const Finished finished = Run({"listener", "update", "web", "--enabled=maybe"});
  EXPECT_EQ(finished.exit_code, 2) << finished.errors;
  EXPECT_THAT(finished.errors, HasSubstr("--enabled: use true or false, not \"maybe\""));
}

TEST_F(SockctlTest, HealthExitsWithZeroOnlyIfServing) {
  const Finished serving = Run({"health"});
  EXPECT_EQ(serving.exit_code, 0) << serving.errors;
  EXPECT_EQ(serving.output, "SERVING\n");
  fake_.SetServing(false);
  const Finished stopping = Run({"health"});
  EXPECT_EQ(stopping.exit_code, 1);
  EXPECT_EQ(stopping.output, "NOT_SERVING\n");
  EXPECT_THAT(stopping.errors, StartsWith("sockctl: sockhostd is NOT_SERVING: it starts, "));
  EXPECT_EQ(Run({"health", "-o", "json"}).output, "{\n \"status\": \"NOT_SERVING\"\n}\n");
}

TEST_F(SockctlTest, HealthNamesTheServiceThatHoldsTheThread) {
  fake_.SetServing(false);
  fake_.answers.host.set_stalled_service("services/kv");
  const Finished stalled = Run({"health"});
  EXPECT_EQ(stalled.exit_code, 1);
  EXPECT_EQ(stalled.output, "NOT_SERVING\n");
  EXPECT_EQ(stalled.errors,
            "sockctl: sockhostd is NOT_SERVING: a handler of services/kv does not return\n");
}

TEST_F(SockctlTest, HealthOfUnknownServiceIsNotFound) {
  const Finished health = Run({"health", "no.such.Service"});
  EXPECT_EQ(health.exit_code, 64 + 5);
  EXPECT_THAT(health.errors, HasSubstr("\"no.such.Service\""));
}

TEST_F(SockctlTest, HostShowsTheDaemon) {
  fake_.answers.host.set_name("host");
  fake_.answers.host.set_version("9.8.7");
  fake_.answers.host.mutable_sockets()->set_limit(100);
  EXPECT_EQ(Run({"host"}).output,
            "name     host\n"
            "version  9.8.7\n"
            "sockets  0 of 100\n");
}

TEST_F(SockctlTest, VersionShowsBothSides) {
  fake_.answers.host.set_version("9.8.7");
  const Finished version = Run({"version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, StartsWith("sockctl    "));
  EXPECT_THAT(version.output, HasSubstr("\nsockhostd  9.8.7\n"));
  EXPECT_THAT(Run({"version", "-o", "json"}).output, HasSubstr("\"server\": \"9.8.7\""));
}

TEST_F(SockctlTest, VersionNeedsNoDaemon) {
  fake_.Stop();
  const Finished version = Run({"version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr("sockhostd  -  (no sockhostd at unix:"));
}

TEST_F(SockctlTest, UnreachableDaemonIsExplained) {
  fake_.Stop();
  const Finished listed = Run({"listener", "list"});
  EXPECT_EQ(listed.exit_code, 64 + 14);
  EXPECT_EQ(listed.errors,
            "sockctl: cannot list listeners: no sockhostd at " + fake_.unix_address() +
                ": No such file or directory\n"
                "  hint: start sockhostd, or name its admin address with --host or SOCKCTL_HOST\n");
}

TEST_F(SockctlTest, UsageErrorsExitWithTwo) {
  EXPECT_EQ(Run({}).exit_code, 2);
  EXPECT_EQ(Run({"listner"}).exit_code, 2);
  const Finished usage = Run({"listener", "create"});
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_EQ(usage.output, "");
}

TEST_F(SockctlTest, FullDiskIsReported) {
  AddListener("web");
  const std::string command = std::string(SOCKCTL_BINARY) + " listener list --host " +
                              fake_.unix_address() + " > /dev/full 2> /dev/null";
  EXPECT_EQ(WEXITSTATUS(system(command.c_str())), 1);
}

}  // namespace
}  // namespace sockhost::client
