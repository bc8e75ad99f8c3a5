#include "server/proto_encoding.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <poll.h>

#include <map>
#include <memory>
#include <string>

#include "server/listener_record.h"

namespace sockhost {
namespace {

using google::protobuf::FieldDescriptor;
using testing::ElementsAre;
using testing::IsEmpty;

struct CounterRow {
  Counter counter;
  CounterKind kind;
};

// The core's table, by name.
std::map<std::string, CounterRow> CountersOfCore() {
  return {
#define ROW(name, kind) {#name, {Counter::name, CounterKind::kind}},
      SOCKHOST_COUNTERS(ROW)
#undef ROW
  };
}

TEST(ProtoEncodingTest, EveryCounterOfTheCoreIsAFieldAndEveryFieldACounter) {
  std::map<std::string, FieldDescriptor::CppType> expected;
  for (const auto& [name, row] : CountersOfCore()) {
    expected[name] = row.kind == CounterKind::kTime ? FieldDescriptor::CPPTYPE_MESSAGE
                                                    : FieldDescriptor::CPPTYPE_INT64;
  }
  std::map<std::string, FieldDescriptor::CppType> fields;
  const auto* descriptor = v1::Counters::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    fields[descriptor->field(i)->name()] = descriptor->field(i)->cpp_type();
  }
  // Not a counter of the table: one for each errno that was seen.
  EXPECT_EQ(fields.erase("errors"), 1u);
  EXPECT_EQ(fields, expected);
}

TEST(ProtoEncodingTest, EachCounterGoesToItsOwnField) {
  for (const auto& [name, row] : CountersOfCore()) {
    SCOPED_TRACE(name);
    CounterValues values;
    values[row.counter] = 1'000'000'002;
    v1::Counters out;
    Encode(values, out);
    const auto* reflection = out.GetReflection();
    std::vector<const FieldDescriptor*> set;
    reflection->ListFields(out, &set);
    ASSERT_EQ(set.size(), 1u);
    EXPECT_EQ(set[0]->name(), name);
    if (row.kind == CounterKind::kTime) {
      const auto& time =
          static_cast<const google::protobuf::Timestamp&>(reflection->GetMessage(out, set[0]));
      EXPECT_EQ(time.seconds(), 1);
      EXPECT_EQ(time.nanos(), 2);
    } else {
      EXPECT_EQ(reflection->GetInt64(out, set[0]), 1'000'000'002);
    }
  }
}

TEST(ProtoEncodingTest, ErrorsGoByTheNameOfTheirErrno) {
  CounterValues values;
  values.mutable_errors()[0] = {ECONNRESET, 3};
  values.mutable_errors()[1] = {EPIPE, 1};
  values.mutable_errors()[kErrorCells] = {0, 5};
  v1::Counters out;
  Encode(values, out);
  EXPECT_THAT(out.errors(),
              testing::UnorderedElementsAre(testing::Pair("ECONNRESET", 3),
                                            testing::Pair("EPIPE", 1), testing::Pair("OTHER", 5)));
}

TEST(ProtoEncodingTest, TimeThatNeverWasIsUnset) {
  v1::Counters out;
  Encode(CounterValues(), out);
  EXPECT_FALSE(out.has_last_event_time());
  EXPECT_EQ(out.ByteSizeLong(), 0u);
}

TEST(ProtoEncodingTest, TimeIsSplitIntoSecondsAndNanos) {
  google::protobuf::Timestamp time;
  EncodeTime(1'700'000'000'123'456'789, time);
  EXPECT_EQ(time.seconds(), 1'700'000'000);
  EXPECT_EQ(time.nanos(), 123'456'789);
}

TEST(ProtoEncodingTest, Listener) {
  auto record = std::make_shared<ListenerRecord>();
  record->uid = {0x12, 0x34};
  v1::Listener declared;
  declared.set_name("listeners/web");
  declared.set_display_name("Web");
  (*declared.mutable_labels())["env"] = "test";
  declared.set_service("services/echo");
  declared.set_address("tcp://[0:0::0]:0");
  declared.set_backlog(5);
  declared.set_max_connections(6);
  declared.set_ipv6_only(true);
  record->declared = declared.SerializeAsString();
  record->etag = 0x1f;
  record->create_time_nanos = 1'000'000'000;
  record->update_time_nanos = 2'000'000'000;
  auto config = std::make_shared<ListenerConfig>();
  config->name = "web";
  config->service = "echo";
  config->address = SocketAddress::Parse("tcp://[::]:0").value();
  config->attachment = record;
  ListenerSnapshot snapshot;
  snapshot.config = config;
  snapshot.effective_address = SocketAddress::Parse("tcp://[::]:8080").value();
  snapshot.effective_backlog = 4;
  snapshot.state = ListenerState::kPaused;
  snapshot.state_reason = "why";
  snapshot.counters[Counter::receive_bytes] = 7;

  v1::Listener out;
  Encode(snapshot, out);
  EXPECT_EQ(out.name(), "listeners/web");
  EXPECT_EQ(out.uid(), "12340000-0000-0000-0000-000000000000");
  EXPECT_EQ(out.display_name(), "Web");
  EXPECT_EQ(out.labels().at("env"), "test");
  EXPECT_EQ(out.service(), "services/echo");
  EXPECT_EQ(out.address(), "tcp://[::]:0");
  EXPECT_EQ(out.effective_address(), "tcp://[::]:8080");
  EXPECT_EQ(out.backlog(), 5);
  EXPECT_EQ(out.effective_backlog(), 4);
  EXPECT_EQ(out.max_connections(), 6);
  EXPECT_TRUE(out.ipv6_only());
  EXPECT_EQ(out.state(), v1::Listener::PAUSED);
  EXPECT_EQ(out.state_reason(), "why");
  EXPECT_EQ(out.etag(), "\"000000000000001f\"");
  EXPECT_EQ(out.create_time().seconds(), 1);
  EXPECT_EQ(out.update_time().seconds(), 2);
  EXPECT_EQ(out.counters().receive_bytes(), 7);

  const std::map<ListenerState, v1::Listener::State> kStates = {
      {ListenerState::kStarting, v1::Listener::STARTING},
      {ListenerState::kActive, v1::Listener::ACTIVE},
      {ListenerState::kPaused, v1::Listener::PAUSED},
      {ListenerState::kDraining, v1::Listener::DRAINING},
      {ListenerState::kFailed, v1::Listener::FAILED},
      {ListenerState::kDisabled, v1::Listener::DISABLED},
  };
  for (const auto& [state, encoded] : kStates) {
    snapshot.state = state;
    v1::Listener again;
    Encode(snapshot, again);
    EXPECT_EQ(again.state(), encoded);
  }
}

SocketSnapshot Connection() {
  SocketSnapshot snapshot;
  snapshot.id = 12;
  snapshot.fd = 34;
  snapshot.cookie = 0xabcdef;
  snapshot.role = Role::kConnection;
  snapshot.protocol = Protocol::kTcp;
  snapshot.service = std::make_shared<const std::string>("echo");
  snapshot.listener = std::make_shared<const std::string>("web");
  snapshot.local = SocketAddress::Parse("tcp://127.0.0.1:80").value();
  snapshot.remote = SocketAddress::Parse("tcp://127.0.0.2:5000").value();
  snapshot.create_time_nanos = 3'000'000'000;
  snapshot.events = POLLIN | POLLOUT;
  snapshot.masked = true;
  snapshot.counters[Counter::transmit_bytes] = 9;
  return snapshot;
}

TEST(ProtoEncodingTest, Socket) {
  v1::Socket out;
  Encode(Connection(), out);
  EXPECT_EQ(out.name(), "sockets/12");
  EXPECT_EQ(out.fd(), 34);
  EXPECT_EQ(out.cookie(), 0xabcdef);
  EXPECT_EQ(out.role(), v1::Socket::CONNECTION);
  EXPECT_EQ(out.protocol(), v1::Socket::TCP);
  EXPECT_EQ(out.service(), "services/echo");
  EXPECT_EQ(out.listener(), "listeners/web");
  EXPECT_EQ(out.local_address(), "tcp://127.0.0.1:80");
  EXPECT_EQ(out.remote_address(), "tcp://127.0.0.2:5000");
  EXPECT_EQ(out.create_time().seconds(), 3);
  EXPECT_THAT(out.poll_events(), ElementsAre("POLLIN", "POLLOUT"));
  EXPECT_TRUE(out.masked());
  EXPECT_EQ(out.counters().transmit_bytes(), 9);
}

TEST(ProtoEncodingTest, SocketWithoutListenerPeerAndEvents) {
  SocketSnapshot snapshot = Connection();
  snapshot.role = Role::kRegistered;
  snapshot.protocol = Protocol::kNone;
  snapshot.listener = nullptr;
  snapshot.local = snapshot.remote = SocketAddress();
  snapshot.events = 0;
  v1::Socket out;
  Encode(snapshot, out);
  EXPECT_EQ(out.role(), v1::Socket::REGISTERED);
  EXPECT_EQ(out.protocol(), v1::Socket::PROTOCOL_UNSPECIFIED);
  EXPECT_EQ(out.listener() + out.local_address() + out.remote_address(), "");
  EXPECT_THAT(out.poll_events(), IsEmpty());
}

TEST(ProtoEncodingTest, Families) {
  const auto family_of = [](Protocol protocol, const char* local, const char* remote) {
    SocketSnapshot snapshot = Connection();
    snapshot.protocol = protocol;
    snapshot.local = *local ? SocketAddress::Parse(local).value() : SocketAddress();
    snapshot.remote = *remote ? SocketAddress::Parse(remote).value() : SocketAddress();
    v1::Socket out;
    Encode(snapshot, out);
    return out.family();
  };
  EXPECT_EQ(family_of(Protocol::kTcp, "tcp://127.0.0.1:1", ""), v1::Socket::IPV4);
  EXPECT_EQ(family_of(Protocol::kUdp, "udp://[::1]:1", ""), v1::Socket::IPV6);
  // Of an event.
  EXPECT_EQ(family_of(Protocol::kTcp, "", "tcp://[::1]:1"), v1::Socket::IPV6);
  EXPECT_EQ(family_of(Protocol::kUnixStream, "unix:@a", ""), v1::Socket::UNIX);
  EXPECT_EQ(family_of(Protocol::kUnixDatagram, "", ""), v1::Socket::UNIX);
  EXPECT_EQ(family_of(Protocol::kNone, "", ""), v1::Socket::FAMILY_UNSPECIFIED);
}

TEST(ProtoEncodingTest, RolesAndProtocols) {
  const std::map<Role, v1::Socket::Role> kRoles = {
      {Role::kListening, v1::Socket::LISTENING}, {Role::kConnection, v1::Socket::CONNECTION},
      {Role::kDatagram, v1::Socket::DATAGRAM},   {Role::kRegistered, v1::Socket::REGISTERED},
      {Role::kUpstream, v1::Socket::UPSTREAM},
  };
  for (const auto& [role, encoded] : kRoles) {
    SocketSnapshot snapshot = Connection();
    snapshot.role = role;
    v1::Socket out;
    Encode(snapshot, out);
    EXPECT_EQ(out.role(), encoded);
  }
  const std::map<Protocol, v1::Socket::Protocol> kProtocols = {
      {Protocol::kTcp, v1::Socket::TCP},
      {Protocol::kUdp, v1::Socket::UDP},
      {Protocol::kUnixStream, v1::Socket::UNIX_STREAM},
      {Protocol::kUnixDatagram, v1::Socket::UNIX_DATAGRAM},
      {Protocol::kNone, v1::Socket::PROTOCOL_UNSPECIFIED},
  };
  for (const auto& [protocol, encoded] : kProtocols) {
    SocketSnapshot snapshot = Connection();
    snapshot.protocol = protocol;
    v1::Socket out;
    Encode(snapshot, out);
    EXPECT_EQ(out.protocol(), encoded);
  }
}

TEST(ProtoEncodingTest, Service) {
  ServiceSnapshot snapshot;
  snapshot.name = std::make_shared<const std::string>("echo");
  snapshot.kind = ServiceKind::kBuiltIn;
  snapshot.owner = "echo_service.cc:1";
  snapshot.capacity = 1;
  snapshot.registered = 2;
  snapshot.sockets = 3;
  snapshot.counters[Counter::handler_calls] = 4;
  v1::Service out;
  Encode(snapshot, out);
  EXPECT_EQ(out.name(), "services/echo");
  EXPECT_EQ(out.kind(), v1::Service::BUILT_IN);
  EXPECT_EQ(out.owner(), "echo_service.cc:1");
  EXPECT_EQ(out.capacity(), 1);
  EXPECT_EQ(out.used(), 2);
  EXPECT_EQ(out.sockets(), 3);
  EXPECT_EQ(out.counters().handler_calls(), 4);
  snapshot.kind = ServiceKind::kModule;
  v1::Service module;
  Encode(snapshot, module);
  EXPECT_EQ(module.kind(), v1::Service::MODULE);
}

TEST(ProtoEncodingTest, EveryLoopStatisticHasItsField) {
  const LoopStatistics statistics{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  v1::LoopStatistics out;
  Encode(statistics, out);
  EXPECT_EQ(out.wakeups(), 1);
  EXPECT_EQ(out.events(), 2);
  EXPECT_EQ(out.stale_events(), 3);
  EXPECT_EQ(out.max_events_per_wakeup(), 4);
  EXPECT_EQ(out.busy_nanos(), 5);
  EXPECT_EQ(out.max_turn_nanos(), 6);
  EXPECT_EQ(out.epoll_rebuilds(), 7);
  EXPECT_EQ(out.stalls(), 8);
  EXPECT_EQ(out.max_stall_nanos(), 9);
  EXPECT_EQ(out.closed_behind(), 10);
  EXPECT_EQ(out.out_of_memory(), 11);
  std::vector<const FieldDescriptor*> set;
  out.GetReflection()->ListFields(out, &set);
  EXPECT_EQ(static_cast<int>(set.size()), v1::LoopStatistics::descriptor()->field_count());
}

TEST(CheckDurationTest, LimitsAreThoseOfProtobuf) {
  constexpr int64_t kMost = 315'576'000'000;
  const auto check = [](int64_t seconds, int32_t nanos) {
    google::protobuf::Duration duration;
    duration.set_seconds(seconds);
    duration.set_nanos(nanos);
    return CheckDuration(duration, "listener.idle_timeout");
  };
  for (const int sign : {1, -1}) {
    EXPECT_TRUE(check(sign * kMost, sign * 999'999'999).ok());
    EXPECT_TRUE(check(0, sign * 999'999'999).ok());
    EXPECT_TRUE(check(sign, 0).ok());
    EXPECT_FALSE(check(sign * (kMost + 1), 0).ok());
    EXPECT_FALSE(check(0, sign * 1'000'000'000).ok());
    EXPECT_FALSE(check(sign, -sign).ok());
  }
  EXPECT_FALSE(check(INT64_MIN, INT32_MIN).ok());
  const absl::Status status = check(2, -5);
  EXPECT_THAT(std::string(status.message()),
              testing::StartsWith("idle_timeout {seconds: 2 nanos: -5}: "));
  EXPECT_EQ(DetailOf(status)->metadata.at("value"), "seconds: 2 nanos: -5");
}

}  // namespace
}  // namespace sockhost
