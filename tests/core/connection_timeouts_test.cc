#include "service_core/connection_timeouts.h"

#include <gmock/gmock.h>

#include <vector>

#include "tests/core/listeners_fixture.h"

namespace sockhost {
namespace {

using testing::Eq;

class ConnectionTimeoutsTest : public ListenersFixture {
 protected:
  ConnectionTimeoutsTest() { DefineTestService(Echo); }
};

TEST_F(ConnectionTimeoutsTest, IdleConnectionsAreClosedHoweverMany) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.idle_timeout = absl::Milliseconds(100);
  const ListenerSnapshot listener = Create(config);
  std::vector<UniqueFd> clients;
  // More than a round looks at without a pause.
  for (int i = 0; i < 600; ++i) clients.push_back(ConnectTo(listener.effective_address));
  EXPECT_TRUE(CounterBecomes("web", Counter::timed_out_connections, 600));
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
}

TEST_F(ConnectionTimeoutsTest, ListenersWithoutALimitAreSpared) {
  const StopOnExit stop(loop_);
  ListenerConfig limited = Config("limited");
  limited.max_lifetime = absl::Milliseconds(100);
  const UniqueFd spared = ConnectTo(Create(Config("free")).effective_address);
  const UniqueFd closed = ConnectTo(Create(limited).effective_address);
  EXPECT_TRUE(WaitClosed(closed.get()));
  SendText(spared.get(), "x");
  EXPECT_EQ(ReceiveText(spared.get(), 1), "x");
  EXPECT_EQ(ListenerCounters("free")[Counter::timed_out_connections], 0);
}

TEST_F(ConnectionTimeoutsTest, NoTimerIsLeftWithoutConnections) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.idle_timeout = absl::Milliseconds(100);
  EXPECT_TRUE(WaitClosed(ConnectTo(Create(config).effective_address).get()));
  // The round that found nothing was the last.
  const auto stands_still = [this] {
    const int64_t before = loop_.Statistics().wakeups;
    std::promise<void> later;
    RunOnServiceThread(loop_,
                       [&] { loop_.RunAt(loop_.now() + 200'000'000, [&] { later.set_value(); }); });
    later.get_future().wait();
    // Three of the test's own.
    return loop_.Statistics().wakeups - before <= 3;
  };
  EXPECT_TRUE(Becomes(stands_still, Eq(true)));
}

using IdleHandlerTimeoutsTest = ListenersFixture;

// The socket stays ready, and the handler is called after each pause of the spin guard: more often
// than the rounds look.
TEST_F(IdleHandlerTimeoutsTest, CallsThatMoveNothingAreNoActivity) {
  DefineTestService([](const Event&) {});
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.idle_timeout = absl::Seconds(1);
  const UniqueFd client = ConnectTo(Create(config).effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(CounterBecomes("web", Counter::timed_out_connections, 1));
}

}  // namespace
}  // namespace sockhost
