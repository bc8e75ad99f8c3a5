#include "client/resource_sheet.h"

#include <gmock/gmock.h>

#include "sockhost/v1/host.pb.h"
#include "sockhost/v1/listener.pb.h"
#include "sockhost/v1/service.pb.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost::client {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'192);

TEST(SheetOfTest, ShowsListener) {
  v1::Listener listener;
  listener.set_name("listeners/web");
  (*listener.mutable_labels())["env"] = "test";
  (*listener.mutable_labels())["a"] = "b";
  listener.set_state(v1::Listener::PAUSED);
  listener.set_state_reason("no fds\n");
  listener.mutable_create_time()->set_seconds(1'700'000'000);
  listener.mutable_counters()->set_handler_calls(12345678901);
  listener.mutable_counters()->set_handler_time_nanos(1'234'567);
  EXPECT_EQ(SheetOf(listener, kNow),
            "name             listeners/web\n"
            "labels           a=b, env=test\n"
            "state            PAUSED\n"
            "state_reason     no fds\\x0a\n"
            "create_time      2023-11-14T22:13:20.000Z (3m12s ago)\n"
            "counters\n"
            "  handler_calls  12345678901\n"
            "  handler_time   1.234567ms\n");
}

TEST(SheetOfTest, TimeToComeIsAhead) {
  v1::Listener listener;
  listener.mutable_drain_time()->set_seconds(1'700'000'212);
  EXPECT_EQ(SheetOf(listener, kNow), "drain_time  2023-11-14T22:16:52.000Z (in 20s)\n");
  EXPECT_EQ(SheetOf(listener, kNow + absl::Milliseconds(100)),
            "drain_time  2023-11-14T22:16:52.000Z (in 20s)\n");
}

TEST(SheetOfTest, ShowsHost) {
  v1::Host host;
  host.set_pid(7);
  host.mutable_uptime()->set_seconds(61);
  host.mutable_sockets()->set_limit(1000);
  host.add_admin_addresses("unix:/a");
  host.add_admin_addresses("unix:/b");
  host.mutable_loop()->set_max_stall_nanos(25'000'000);
  EXPECT_EQ(SheetOf(host, kNow),
            "pid              7\n"
            "uptime           1m1s\n"
            "sockets          0 of 1000\n"
            "admin_addresses  unix:/a, unix:/b\n"
            "loop\n"
            "  max_stall      25ms\n");
}

TEST(SheetOfTest, ShowsSocketAndService) {
  v1::Socket socket;
  socket.set_masked(true);
  socket.add_poll_events("POLLIN");
  EXPECT_EQ(SheetOf(socket, kNow), "poll_events  POLLIN\nmasked       yes\n");
  v1::Service service;
  service.set_kind(v1::Service::BUILT_IN);
  EXPECT_EQ(SheetOf(service, kNow), "kind  BUILT_IN\n");
}

TEST(SheetOfTest, CountersWithoutValuesAreAllZero) {
  v1::Socket socket;
  socket.mutable_counters();
  EXPECT_EQ(SheetOf(socket, kNow), "counters  all zero\n");
}

TEST(SheetOfTest, MessagesThatRepeatAreForATable) {
  v1::Listener listener;
  listener.set_name("listeners/web");
  listener.add_upstreams()->set_upstream("tcp://10.0.0.1:80");
  EXPECT_EQ(SheetOf(listener, kNow), "name  listeners/web\n");
}

TEST(SheetOfTest, EmptyResourceIsEmpty) { EXPECT_EQ(SheetOf(v1::Socket(), kNow), ""); }

}  // namespace
}  // namespace sockhost::client
