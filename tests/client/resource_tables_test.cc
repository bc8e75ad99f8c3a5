#include "client/resource_tables.h"

#include <gmock/gmock.h>

#include "client/resource_name.h"

namespace sockhost::client {
namespace {

using google::protobuf::RepeatedPtrField;
using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'192);

TEST(TableOfListenersTest, ShowsEffectiveAddressAndExactCounters) {
  RepeatedPtrField<v1::Listener> listeners;
  v1::Listener& web = *listeners.Add();
  web.set_name("listeners/web");
  web.set_service("services/echo");
  web.set_address("tcp://127.0.0.1:0");
  web.set_effective_address("tcp://127.0.0.1:41234");
  web.set_state(v1::Listener::ACTIVE);
  web.mutable_create_time()->set_seconds(1'700'000'000);
  web.mutable_counters()->set_active_connections(3);
  web.mutable_counters()->set_handler_calls(1234567);
  web.mutable_counters()->set_receive_bytes(98765432109);
  EXPECT_THAT(
      TableOf(listeners, kNow).Lines(),
      ElementsAre(
          "NAME  SERVICE  ADDRESS                STATE   CONNECTIONS   EVENTS     RX-BYTES  "
          "TX-BYTES    AGE",
          "web   echo     tcp://127.0.0.1:41234  ACTIVE            3  1234567  98765432109  "
          "       0  3m12s"));
}

TEST(TableOfListenersTest, AddressStandsInUntilItIsBound) {
  RepeatedPtrField<v1::Listener> listeners;
  listeners.Add()->set_address("tcp://0.0.0.0:7");
  EXPECT_THAT(TableOf(listeners, kNow).Text(true), testing::HasSubstr("tcp://0.0.0.0:7"));
}

TEST(TableOfListenersTest, FailedOnesAddTheirReason) {
  RepeatedPtrField<v1::Listener> listeners;
  listeners.Add()->set_name("listeners/a");
  v1::Listener& failed = *listeners.Add();
  failed.set_name("listeners/b");
  failed.set_state(v1::Listener::FAILED);
  failed.set_state_reason("cannot bind");
  const std::vector<std::string> lines = TableOf(listeners, kNow).Lines();
  EXPECT_THAT(lines[0], testing::EndsWith("  AGE  REASON"));
  EXPECT_THAT(lines[1], testing::EndsWith("  -"));
  EXPECT_THAT(lines[2], testing::EndsWith("  cannot bind"));
}

TEST(TableOfSocketsTest, ShowsBareIdsAndDashes) {
  RepeatedPtrField<v1::Socket> sockets;
  v1::Socket& socket = *sockets.Add();
  socket.set_name("sockets/12");
  socket.set_fd(9);
  socket.set_role(v1::Socket::REGISTERED);
  socket.set_service("services/mine");
  socket.mutable_counters()->set_handler_calls(5);
  EXPECT_THAT(TableOf(sockets, kNow).Lines(),
              ElementsAre("ID  FD  ROLE        SERVICE  LISTENER  LOCAL  REMOTE  ACCEPTS  EVENTS  "
                          "RX-BYTES  TX-BYTES  AGE",
                          "12   9  REGISTERED  mine     -         -      -             0       5  "
                          "       0         0    -"));
}

TEST(TableOfSocketsTest, ClosedSocketsAddTheirReason) {
  RepeatedPtrField<v1::Socket> sockets;
  sockets.Add()->set_name("sockets/1");
  v1::Socket& closed = *sockets.Add();
  closed.set_name("sockets/2");
  closed.set_state(v1::Socket::CLOSED);
  closed.set_close_reason(v1::Socket::PEER_CLOSED);
  const std::vector<std::string> lines = TableOf(sockets, kNow).Lines();
  EXPECT_THAT(lines[0], testing::EndsWith("  AGE  CLOSED"));
  EXPECT_THAT(lines[1], testing::EndsWith("  -"));
  EXPECT_THAT(lines[2], testing::EndsWith("  PEER_CLOSED"));
}

TEST(TableOfServicesTest, ShowsUseOfCapacity) {
  RepeatedPtrField<v1::Service> services;
  v1::Service& echo = *services.Add();
  echo.set_name("services/echo");
  echo.set_kind(v1::Service::BUILT_IN);
  echo.set_owner("server/echo_service.cc:17");
  v1::Service& module = *services.Add();
  module.set_name("services/mine");
  module.set_kind(v1::Service::MODULE);
  module.set_capacity(4);
  module.set_used(1);
  module.mutable_counters()->set_max_handler_time_nanos(1500);
  EXPECT_THAT(TableOf(services, kNow).Lines(),
              ElementsAre("NAME  KIND      REGISTERED  SOCKETS  EVENTS  MAX-TIME  OWNER",
                          "echo  BUILT_IN           -        0       0         0  "
                          "server/echo_service.cc:17",
                          "mine  MODULE           1/4        0       0     1.5us  -"));
}

TEST(TableOfUpstreamsTest, ShowsHowEachDoes) {
  RepeatedPtrField<v1::UpstreamStatus> upstreams;
  v1::UpstreamStatus& good = *upstreams.Add();
  good.set_upstream("tcp://10.0.0.1:80");
  good.add_addresses("tcp://10.0.0.1:80");
  good.set_state(v1::UpstreamStatus::HEALTHY);
  good.set_active_connections(3);
  good.set_connections(1200);
  v1::UpstreamStatus& bad = *upstreams.Add();
  bad.set_upstream("tcp://10.0.0.2:80");
  bad.add_addresses("tcp://10.0.0.2:80");
  bad.set_state(v1::UpstreamStatus::BACKING_OFF);
  bad.set_failures(9);
  bad.set_consecutive_failures(4);
  bad.mutable_failing_since()->set_seconds(1'700'000'000);
  bad.mutable_retry_time()->set_seconds(1'700'000'196);
  bad.set_last_error("timed out");
  bad.mutable_last_failure_time()->set_seconds(1'700'000'188);
  EXPECT_THAT(
      TableOf(upstreams, kNow + absl::Milliseconds(300)).Lines(),
      ElementsAre("UPSTREAM           STATE        ACTIVE  CONNECTIONS  FAILURES  IN-A-ROW  "
                  "FAILING-FOR  RETRY-IN  LAST-ERROR",
                  "tcp://10.0.0.1:80  HEALTHY           3         1200         0         0  "
                  "          -         -  -",
                  "tcp://10.0.0.2:80  BACKING_OFF       0            0         9         4  "
                  "      3m12s        4s  timed out, 4s ago"));
}

TEST(TableOfUpstreamsTest, NamesAddTheirAddresses) {
  RepeatedPtrField<v1::UpstreamStatus> upstreams;
  v1::UpstreamStatus& name = *upstreams.Add();
  name.set_upstream("tcp://web.example:80");
  name.add_addresses("tcp://10.0.0.1:80");
  name.add_addresses("tcp://[::1]:80");
  const std::vector<std::string> lines = TableOf(upstreams, kNow).Lines();
  EXPECT_THAT(lines[0], testing::HasSubstr("  ADDRESSES "));
  EXPECT_THAT(lines[1], testing::HasSubstr("  tcp://10.0.0.1:80,tcp://[::1]:80  "));
}

TEST(EnumTextTest, UnknownValueIsItsNumber) {
  EXPECT_EQ(EnumText(v1::Listener::ACTIVE, v1::Listener::State_Name), "ACTIVE");
  EXPECT_EQ(EnumText(static_cast<v1::Listener::State>(99), v1::Listener::State_Name), "99");
}

TEST(ResourceNameTest, IdAndFullNameMeanTheSame) {
  EXPECT_EQ(FullName(kListeners, "web"), "listeners/web");
  EXPECT_EQ(FullName(kListeners, "listeners/web"), "listeners/web");
  EXPECT_EQ(FullName(kListeners, "sockets/12"), "sockets/12") << "for the daemon to refuse";
  EXPECT_EQ(BareId(kListeners, "listeners/web"), "web");
  EXPECT_EQ(BareId(kListeners, "web"), "web");
}

}  // namespace
}  // namespace sockhost::client
