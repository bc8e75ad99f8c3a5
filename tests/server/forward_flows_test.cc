// Flows of datagrams where the service thread is held, or runs out of memory.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/built_in_services.h"
#include "server/forward_route.h"
#include "tests/core/eventually.h"
#include "tests/core/failed_allocation.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Le;

class ForwardFlowsTest : public ProcessHostFixture {
 protected:
  static void SetUpTestSuite() {
    ProcessHostFixture::SetUpTestSuite();
    ASSERT_TRUE(host().DefineService(kForwardService, ServiceKind::kBuiltIn).ok());
  }

  // Opens a listener that forwards to `server_`; returns where.
  SocketAddress Forward(const ForwardOptions& options = {},
                        const std::string& address = "udp://127.0.0.1:0") {
    const std::string upstream = LocalAddress(server_.get(), Protocol::kUdp).ToString();
    const std::vector upstreams = {Upstream::Parse(upstream).value()};
    auto parameters = std::make_shared<ForwardParameters>();
    parameters->route = std::make_shared<ForwardRoute>(
        std::make_shared<UpstreamSet>(upstreams, UpstreamPolicy::kRoundRobin), options);
    route_ = parameters->route;
    ListenerConfig config;
    config.name = "fwd";
    config.service = "forward";
    config.address = SocketAddress::Parse(address).value();
    config.parameters = std::move(parameters);
    return host().CreateListener(config).value().effective_address;
  }

  int64_t Count(Counter counter) const { return host().FindListener("fwd")->counters[counter]; }
  int64_t Passed() const { return Count(Counter::transmit_messages); }
  int64_t Dropped() const { return Count(Counter::dropped_messages); }
  static testing::AssertionResult SocketsBecome(size_t count) {
    return Becomes([] { return host().sockets(); }, Eq(count));
  }

  // All that belonged to the listener is gone.
  void DeleteAndExpectNothingLeft() {
    auto done = std::make_shared<std::promise<void>>();
    ASSERT_TRUE(host().DeleteListener("fwd", true, [done] { done->set_value(); }).ok());
    EXPECT_EQ(done->get_future().wait_for(kDeadline), std::future_status::ready);
    EXPECT_TRUE(SocketsBecome(0));
    // What is remembered of closed sockets has the parameters still, but no table of flows.
    EXPECT_TRUE(Becomes([this] { return route_.use_count(); }, Le(1)));
  }

  const UniqueFd server_ = BoundUdp();
  std::weak_ptr<ForwardRoute> route_;
};

TEST_F(ForwardFlowsTest, BeginsAndEndsOrIsDroppedWithoutMemory) {
  ForwardOptions options;
  options.flow_idle_timeout = absl::Milliseconds(10);
  AtEachPlace([&](int place) {
    const SocketAddress address = Forward(options);
    const UniqueFd client = ConnectTo(address);
    bool failed = false;
    {
      const FailedAllocation failure(loop().native_handle(), place);
      SendText(client.get(), "x");
      EXPECT_TRUE(Becomes([&] { return Passed() + Dropped(); }, Eq(1)));
      EXPECT_TRUE(SocketsBecome(1)) << "it is idle";
      failed = failure.has_happened();
    }
    const int64_t passed = Passed();
    SendText(client.get(), "y");
    EXPECT_TRUE(Becomes([&] { return Passed(); }, Eq(passed + 1)));
    EXPECT_TRUE(SocketsBecome(1));
    DeleteAndExpectNothingLeft();
    return failed;
  });
}

TEST_F(ForwardFlowsTest, GoWithTheirListenerWithoutMemory) {
  AtEachPlace([&](int place) {
    const SocketAddress address = Forward();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(ConnectTo(address));
      SendText(clients.back().get(), "x");
    }
    EXPECT_TRUE(Becomes([&] { return Passed(); }, Eq(3)));
    const FailedAllocation failure(loop().native_handle(), place);
    DeleteAndExpectNothingLeft();
    return failure.has_happened();
  });
}

// A datagram over IPv6 may be longer than one over IPv4.
TEST_F(ForwardFlowsTest, TooLongDatagramTakesNoOtherWithIt) {
  const SocketAddress address = Forward({}, "udp://[::1]:0");
  const UniqueFd client = ConnectTo(address);
  {
    const ServiceThreadHold hold(loop());
    for (const size_t size : {1, 65'520, 2}) SendText(client.get(), std::string(size, 'x'));
  }
  EXPECT_TRUE(Becomes([&] { return Dropped(); }, Eq(1)));
  EXPECT_TRUE(Becomes([&] { return Passed(); }, Eq(2)));
  DeleteAndExpectNothingLeft();
}

}  // namespace
}  // namespace sockhost
