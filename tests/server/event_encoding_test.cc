#include "server/event_encoding.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/listener_record.h"
#include "server/resource_filter.h"

namespace sockhost {
namespace {

std::shared_ptr<const std::string> Text(const char* text) {
  return std::make_shared<const std::string>(text);
}

HostEvent SocketEvent(HostEventKind kind) {
  HostEvent event;
  event.kind = kind;
  event.sequence = 12;
  event.time_nanos = 1'700'000'000'000'000'005;
  event.service = Text("echo");
  event.socket.id = 7;
  event.socket.fd = 9;
  event.socket.role = Role::kConnection;
  event.socket.listener = Text("web");
  event.socket.remote = SocketAddress::Parse("tcp://127.0.0.1:9").value();
  return event;
}

v1::Event Encoded(const HostEvent& event) {
  v1::Event out;
  Encode(event, out);
  return out;
}

TEST(EventEncodingTest, OpenedSocketHasNoCountersAndNoReason) {
  const v1::Event event = Encoded(SocketEvent(HostEventKind::kSocketOpened));
  EXPECT_EQ(event.kind(), v1::Event::SOCKET_OPENED);
  EXPECT_EQ(event.sequence(), 12);
  EXPECT_EQ(event.time().seconds(), 1'700'000'000);
  EXPECT_EQ(event.socket().name(), "sockets/7");
  EXPECT_EQ(event.socket().listener(), "listeners/web");
  EXPECT_EQ(event.socket().service(), "services/echo");
  EXPECT_EQ(event.socket().remote_address(), "tcp://127.0.0.1:9");
  EXPECT_FALSE(event.socket().has_counters());
  EXPECT_FALSE(event.socket().has_close_time());
  EXPECT_EQ(event.socket().close_reason(), v1::Socket::CLOSE_REASON_UNSPECIFIED);
}

TEST(EventEncodingTest, ClosedSocketHasReasonTimeAndFinalCounters) {
  HostEvent closed = SocketEvent(HostEventKind::kSocketClosed);
  closed.close_reason = CloseReason::kIdleTimeout;
  closed.counters[Counter::receive_bytes] = 42;
  const v1::Event event = Encoded(closed);
  EXPECT_EQ(event.kind(), v1::Event::SOCKET_CLOSED);
  EXPECT_EQ(event.socket().close_reason(), v1::Socket::IDLE_TIMEOUT);
  EXPECT_EQ(event.socket().close_time().nanos(), 5);
  EXPECT_EQ(event.socket().counters().receive_bytes(), 42);
}

TEST(EventEncodingTest, ListenerEventHasTheListener) {
  auto config = std::make_shared<ListenerConfig>();
  config->name = "web";
  config->service = "echo";
  v1::Listener declared;
  config->attachment = MakeListenerRecord("web", declared);
  auto snapshot = std::make_shared<ListenerSnapshot>();
  snapshot->config = config;
  HostEvent created;
  created.kind = HostEventKind::kListenerCreated;
  created.service = Text("echo");
  created.listener = snapshot;
  const v1::Event event = Encoded(created);
  EXPECT_EQ(event.kind(), v1::Event::LISTENER_CREATED);
  EXPECT_EQ(event.listener().name(), "listeners/web");
  EXPECT_FALSE(event.has_socket());
  EXPECT_EQ(event.service(), "");
}

TEST(EventEncodingTest, ServiceEventHasTheService) {
  HostEvent stalled;
  stalled.kind = HostEventKind::kServiceStalled;
  EXPECT_EQ(Encoded(stalled).service(), "");  // it was undefined meanwhile
  stalled.service = Text("slow");
  EXPECT_EQ(Encoded(stalled).kind(), v1::Event::SERVICE_STALLED);
  EXPECT_EQ(Encoded(stalled).service(), "services/slow");
}

// The filter knows every name of the contract, and means the same by it.
TEST(EventEncodingTest, FilterKnowsEveryKindAndReason) {
  for (int kind = 1; v1::Event::Kind_IsValid(kind); ++kind) {
    const std::string& name = v1::Event::Kind_Name(static_cast<v1::Event::Kind>(kind));
    const absl::StatusOr<EventFilter> filter = EventFilter::Parse(absl::StrCat("kind = ", name));
    ASSERT_TRUE(filter.ok()) << filter.status();
    for (uint8_t value = 0; value < 8; ++value) {
      const HostEvent event = SocketEvent(static_cast<HostEventKind>(value));
      EXPECT_EQ(filter->Matches(event), Encoded(event).kind() == kind) << name;
    }
  }
  for (int reason = 0; v1::Socket::CloseReason_IsValid(reason); ++reason) {
    const auto value = static_cast<v1::Socket::CloseReason>(reason);
    const std::string& name = v1::Socket::CloseReason_Name(value);
    const absl::StatusOr<EventFilter> filter =
        EventFilter::Parse(absl::StrCat("close_reason = ", name));
    ASSERT_TRUE(filter.ok()) << filter.status();
    for (uint8_t other = 0; v1::Socket::CloseReason_IsValid(other); ++other) {
      HostEvent event = SocketEvent(HostEventKind::kSocketClosed);
      event.close_reason = static_cast<CloseReason>(other);
      EXPECT_EQ(filter->Matches(event), Encoded(event).socket().close_reason() == reason) << name;
    }
  }
}

TEST(EventEncodingTest, FilterReadsNames) {
  const HostEvent event = SocketEvent(HostEventKind::kSocketOpened);
  for (const char* text : {"socket = 7", "socket = \"sockets/7\"", "service = echo",
                           "listener = web", "remote_address = \"tcp://127.0.0.1:9\"",
                           "sequence > 11", "time > \"2020-01-01T00:00:00Z\""}) {
    EXPECT_TRUE(EventFilter::Parse(text)->Matches(event)) << text;
    EXPECT_FALSE(EventFilter::Parse(absl::StrCat("NOT ", text))->Matches(event)) << text;
  }
  HostEvent service;
  service.kind = HostEventKind::kServiceStalled;
  EXPECT_TRUE(EventFilter::Parse("socket = \"\" AND listener = \"\"")->Matches(service));
}

}  // namespace
}  // namespace sockhost
