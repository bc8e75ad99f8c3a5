#include "client/event_text.h"

#include <gmock/gmock.h>

namespace sockhost::client {
namespace {

v1::Event SocketEvent(v1::Event::Kind kind) {
  v1::Event event;
  event.set_kind(kind);
  event.mutable_time()->set_seconds(1);
  event.mutable_time()->set_nanos(2'000'000);
  event.mutable_socket()->set_name("sockets/12");
  event.mutable_socket()->set_listener("listeners/web");
  event.mutable_socket()->set_service("services/echo");
  event.mutable_socket()->set_role(v1::Socket::CONNECTION);
  event.mutable_socket()->set_remote_address("tcp://127.0.0.1:9");
  return event;
}

TEST(EventTextTest, OpenedSocket) {
  EXPECT_EQ(EventLine(SocketEvent(v1::Event::SOCKET_OPENED), absl::UTCTimeZone()),
            "1970-01-01 00:00:01.002  SOCKET_OPENED           sockets/12      listener=web  "
            "service=echo  role=CONNECTION  remote=tcp://127.0.0.1:9\n");
}

TEST(EventTextTest, ClosedSocketTellsWhyAndWhatItDid) {
  v1::Event event = SocketEvent(v1::Event::SOCKET_CLOSED);
  event.mutable_socket()->set_close_reason(v1::Socket::PEER_CLOSED);
  event.mutable_socket()->mutable_counters()->set_receive_bytes(5);
  EXPECT_THAT(EventLine(event),
              testing::EndsWith("  reason=PEER_CLOSED  events=0  rx-bytes=5  tx-bytes=0\n"));
}

TEST(EventTextTest, Listener) {
  v1::Event event;
  event.set_kind(v1::Event::LISTENER_STATE_CHANGED);
  event.mutable_listener()->set_name("listeners/web");
  event.mutable_listener()->set_state(v1::Listener::PAUSED);
  event.mutable_listener()->set_state_reason("out of\nfds");
  const std::string line = EventLine(event);
  EXPECT_THAT(line, testing::HasSubstr("listeners/web"));
  EXPECT_THAT(line, testing::HasSubstr("state=PAUSED"));
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  EXPECT_EQ(SubjectOf(event), "listeners/web");
}

TEST(EventTextTest, Service) {
  v1::Event event;
  event.set_kind(v1::Event::SERVICE_STALLED);
  event.set_service("services/slow");
  EXPECT_THAT(EventLine(event), testing::EndsWith("SERVICE_STALLED         services/slow\n"));
}

}  // namespace
}  // namespace sockhost::client
