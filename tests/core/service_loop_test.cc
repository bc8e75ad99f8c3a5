#include "service_core/service_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "service_core/monotonic_clock.h"
#include "tests/core/eventually.h"
#include "tests/core/log_lines.h"
#include "tests/core/loop_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Eq;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

constexpr int64_t kMillisecond = 1'000'000;

class ServiceLoopTest : public LoopFixture {
 protected:
  // Lets the service thread idle for so long, on its own clock. Returns how often
  // it woke up and how long that really took.
  std::pair<int64_t, int64_t> WakeupsDuring(int64_t nanos) {
    const int64_t started = MonotonicNanos();
    const int64_t before = loop_.Statistics().wakeups;
    std::promise<void> over;
    loop_.Post([&] { loop_.RunAt(loop_.now() + nanos, [&over] { over.set_value(); }); });
    over.get_future().wait();
    return {loop_.Statistics().wakeups - before, MonotonicNanos() - started};
  }

  // Wake-ups of an idle thread: the checks for silently closed fds, every 100 ms.
  static int64_t IdleWakeups(int64_t nanos) { return 4 + nanos / (50 * kMillisecond); }

  void FinishTurns() { sockhost::FinishTurns(loop_); }
};

// ---- Life -------------------------------------------------------------------

TEST(ServiceLoopLifeTest, StateFollowsItsLife) {
  SocketTable table;
  ASSERT_TRUE(table.Open().ok());
  ServiceLoop loop(table);
  EXPECT_EQ(loop.state(), ServiceLoop::State::kNotStarted);
  ASSERT_TRUE(loop.Start().ok());
  EXPECT_EQ(loop.state(), ServiceLoop::State::kRunning);
  loop.Stop();
  EXPECT_EQ(loop.state(), ServiceLoop::State::kStopped);
  loop.Stop();
  EXPECT_EQ(loop.state(), ServiceLoop::State::kStopped);
}

TEST(ServiceLoopLifeTest, ThreadCanBeNamedUntilItIsJoined) {
  SocketTable table;
  ASSERT_TRUE(table.Open().ok());
  ServiceLoop loop(table);
  ASSERT_TRUE(loop.Start().ok());
  int calls = 0;
  loop.Stop([&] {
    ++calls;
    EXPECT_EQ(loop.state(), ServiceLoop::State::kStopped);
    EXPECT_NE(loop.native_handle(), pthread_t{});
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop.native_handle(), pthread_t{});
}

TEST(ServiceLoopLifeTest, LoopThatNeverStartedCanBeDestroyed) {
  SocketTable table;
  ASSERT_TRUE(table.Open().ok());
  ServiceLoop loop(table);
  loop.Stop();
  EXPECT_EQ(loop.state(), ServiceLoop::State::kNotStarted);
}

class LoopLifeTest : public TableFixture {};

TEST_F(LoopLifeTest, SocketsAddedBeforeTheStartArePolledFromItOn) {
  HandlerCalls calls;
  const auto service = NewServiceWith(HandlerCalls::Handle);
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(Replace(*service, {fd.get()}, &calls), 0);
  EXPECT_EQ(calls.count(), 0u);
  ServiceLoop loop(table_);
  ASSERT_TRUE(loop.Start().ok());
  EXPECT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  loop.Stop();
}

TEST_F(LoopLifeTest, StopClosesWhatWasRemoved) {
  const auto service = NewService();
  const int fd = EventFd(false).release();
  ASSERT_EQ(Replace(*service, {fd}), 0);
  ServiceLoop loop(table_);
  ASSERT_TRUE(loop.Start().ok());
  bool done = false;
  {
    const ServiceThreadHold hold(loop);
    table_.RemoveSet(*service, Fate::kClose, [&done] { done = true; });
  }
  loop.Stop();
  EXPECT_TRUE(done);
  EXPECT_FALSE(IsOpen(fd));
}

TEST_F(LoopLifeTest, StopLetsTheHandlerInProgressFinish) {
  HandlerCalls calls;
  std::promise<void> entered;
  std::promise<void> release;
  std::atomic<bool> finished{false};
  calls.action = [&](const net_socket_service_event& event) {
    TakeAll(event.event.fd);
    entered.set_value();
    release.get_future().wait();
    finished = true;
  };
  const auto service = NewServiceWith(HandlerCalls::Handle);
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(Replace(*service, {fd.get()}, &calls), 0);
  ServiceLoop loop(table_);
  ASSERT_TRUE(loop.Start().ok());
  entered.get_future().wait();
  std::thread stopper([&] { loop.Stop(); });
  release.set_value();
  stopper.join();
  EXPECT_TRUE(finished);
}

TEST_F(ServiceLoopTest, HandlersRunOnTheServiceThreadOnly) {
  EXPECT_EQ(ServiceLoop::Current(), nullptr);
  EXPECT_FALSE(loop_.OnServiceThread());
  HandlerCalls calls;
  std::atomic<bool> on_service_thread{false};
  calls.action = [&](const net_socket_service_event& event) {
    on_service_thread = loop_.OnServiceThread() && ServiceLoop::Current() == &loop_;
    TakeAll(event.event.fd);
  };
  const UniqueFd fd = EventFd(true);
  const StopOnExit stop(loop_);
  Register(*NewRecordingService(), fd.get(), calls);
  EXPECT_TRUE(Becomes([&] { return on_service_thread.load(); }, Eq(true)));
}

// ---- Events -----------------------------------------------------------------

TEST_F(ServiceLoopTest, HandlerSeesWhatIsReadyAndWhatWasRegistered) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  const SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  Register(*service, pair.ours.get(), calls, POLLIN | POLLPRI);
  SendText(pair.peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  const net_socket_service_event event = calls.last();
  EXPECT_EQ(event.event.fd, pair.ours.get());
  EXPECT_EQ(event.event.events, POLLIN | POLLPRI);
  EXPECT_EQ(event.event.revents, POLLIN);
  EXPECT_EQ(event.user_data, &calls);
  EXPECT_EQ(event.svc, service->descriptor);
  EXPECT_EQ(event.callback, HandlerCalls::Handle);
}

TEST_F(ServiceLoopTest, OneEventIsOneCall) {
  HandlerCalls calls;
  const SocketPair pair = UnixPair(SOCK_DGRAM);
  const StopOnExit stop(loop_);
  Register(*NewRecordingService(), pair.ours.get(), calls);
  for (size_t i = 1; i <= 20; ++i) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(i)));
  }
  FinishTurns();
  EXPECT_EQ(calls.count(), 20u);
}

TEST_F(ServiceLoopTest, SocketThatIsStillReadyIsCalledAgain) {
  HandlerCalls calls;
  std::atomic<int> left{5};
  calls.action = [&](const net_socket_service_event& event) {
    if (--left == 0) TakeAll(event.event.fd);
  };
  const UniqueFd fd = EventFd(true);
  const StopOnExit stop(loop_);
  Register(*NewRecordingService(), fd.get(), calls);
  EXPECT_TRUE(Becomes([&] { return calls.count(); }, Eq(5u)));
  FinishTurns();
  EXPECT_EQ(calls.count(), 5u);
}

TEST_F(ServiceLoopTest, ChangingTheEventChangesNothing) {
  HandlerCalls calls;
  const auto service = NewServiceWith([](net_socket_service_event* event) {
    HandlerCalls::Handle(event);
    *event = {};
    event->event.fd = 0;
    event->event.events = -1;
  });
  const SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  Register(*service, pair.ours.get(), calls);
  for (size_t i = 1; i <= 2; ++i) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(i)));
    EXPECT_EQ(calls.last().event.fd, pair.ours.get());
    EXPECT_EQ(calls.last().event.events, POLLIN);
    EXPECT_EQ(calls.last().event.revents, POLLIN);
    EXPECT_EQ(calls.last().svc, service->descriptor);
  }
  EXPECT_EQ(service->descriptor->pev[0].event.fd, pair.ours.get());
  EXPECT_EQ(service->descriptor->pev[0].event.events, POLLIN);
}

TEST_F(ServiceLoopTest, WritableSocketIsReportedWhenAskedFor) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  const SocketPair pair = UnixPair();
  calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.ModifyOne(*service, event.event.fd, POLLIN), 0);
  };
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, pair.ours.get(), calls, POLLOUT);
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  EXPECT_EQ(calls.last().event.revents, POLLOUT);
  FinishTurns();
  EXPECT_EQ(calls.count(), 1u);
  EXPECT_EQ(CountersOf(id)[Counter::poll_out_events], 1);
}

TEST_F(ServiceLoopTest, UrgentDataIsReportedWhenAskedFor) {
  HandlerCalls urgent;
  HandlerCalls ordinary;
  const auto service = NewRecordingService();
  const SocketPair asked = TcpPair();
  const SocketPair not_asked = TcpPair();
  urgent.action = [](const net_socket_service_event& event) {
    char byte;
    EXPECT_EQ(recv(event.event.fd, &byte, 1, MSG_OOB), 1);
  };
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, asked.ours.get(), urgent, POLLPRI);
  Register(*service, not_asked.ours.get(), ordinary, POLLIN);
  ASSERT_EQ(send(not_asked.peer.get(), "!", 1, MSG_OOB), 1);
  ASSERT_EQ(send(asked.peer.get(), "!", 1, MSG_OOB), 1);
  ASSERT_TRUE(Becomes([&] { return urgent.count(); }, Eq(1u)));
  EXPECT_EQ(urgent.last().event.revents, POLLPRI);
  EXPECT_EQ(CountersOf(id)[Counter::poll_pri_events], 1);
  FinishTurns();
  for (const net_socket_service_event& call : ordinary.all()) {
    EXPECT_EQ(call.event.revents & POLLPRI, 0);
  }
}

TEST_F(ServiceLoopTest, HalfCloseIsReportedWhenAskedFor) {
  HandlerCalls asked_calls;
  HandlerCalls other_calls;
  const auto service = NewRecordingService();
  const SocketPair asked = TcpPair();
  const SocketPair not_asked = TcpPair();
  const auto unregister = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  asked_calls.action = unregister;
  other_calls.action = unregister;
  const StopOnExit stop(loop_);
  Register(*service, asked.ours.get(), asked_calls, POLLRDHUP);
  Register(*service, not_asked.ours.get(), other_calls, POLLIN);
  shutdown(asked.peer.get(), SHUT_WR);
  shutdown(not_asked.peer.get(), SHUT_WR);
  ASSERT_TRUE(Becomes([&] { return asked_calls.count(); }, Eq(1u)));
  ASSERT_TRUE(Becomes([&] { return other_calls.count(); }, Eq(1u)));
  EXPECT_EQ(asked_calls.last().event.revents, POLLRDHUP);
  EXPECT_EQ(other_calls.last().event.revents, POLLIN);
  EXPECT_EQ(service->counters.Get(Counter::poll_rdhup_events), 1);
}

class UnaskedEventTest : public ServiceLoopTest, public testing::WithParamInterface<short> {};

INSTANTIATE_TEST_SUITE_P(EventsAskedFor, UnaskedEventTest,
                         testing::Values(short{0}, short{POLLOUT}, short{POLLPRI}));

TEST_P(UnaskedEventTest, HangUpIsReported) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  calls.action = [&](const net_socket_service_event& event) {
    if (event.event.revents & POLLHUP) {
      EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
    }
  };
  SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  Register(*service, pair.ours.get(), calls, GetParam());
  pair.peer.reset();
  ASSERT_TRUE(Becomes([&] { return calls.last().event.revents & POLLHUP; }, Eq(POLLHUP)));
  FinishTurns();
  EXPECT_EQ(service->counters.Get(Counter::poll_hup_events), 1);
}

// Both directions are closed, and the socket is in state CLOSE, as one that was
// never connected.
TEST_P(UnaskedEventTest, HangUpOfAFinishedTcpConnectionIsReported) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  SocketPair pair = TcpPair();
  shutdown(pair.peer.get(), SHUT_WR);
  ASSERT_TRUE(WaitReadable(pair.ours.get()));
  shutdown(pair.ours.get(), SHUT_WR);
  ASSERT_TRUE(WaitClosed(pair.peer.get()));
  const StopOnExit stop(loop_);
  Register(*service, pair.ours.get(), calls, GetParam());
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  EXPECT_TRUE(calls.last().event.revents & POLLHUP) << "revents " << calls.last().event.revents;
}

// The program has taken the error with getsockopt: what is left is the hang-up.
TEST_P(UnaskedEventTest, HangUpOfAResetTcpConnectionIsReported) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  SocketPair pair = TcpPair();
  ResetOnClose(pair.peer.get());
  pair.peer.reset();
  ASSERT_TRUE(WaitReadable(pair.ours.get()));
  int error = 0;
  socklen_t length = sizeof(error);
  ASSERT_EQ(getsockopt(pair.ours.get(), SOL_SOCKET, SO_ERROR, &error, &length), 0);
  ASSERT_EQ(error, ECONNRESET);
  const StopOnExit stop(loop_);
  Register(*service, pair.ours.get(), calls, GetParam());
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  EXPECT_TRUE(calls.last().event.revents & POLLHUP) << "revents " << calls.last().event.revents;
}

TEST_F(ServiceLoopTest, ErrorIsReportedUnasked) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  SocketPair pair = TcpPair();
  ResetOnClose(pair.peer.get());
  const StopOnExit stop(loop_);
  Register(*service, pair.ours.get(), calls, 0);
  pair.peer.reset();
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  EXPECT_TRUE(calls.last().event.revents & POLLERR);
  EXPECT_EQ(service->counters.Get(Counter::poll_err_events), 1);
}

// ---- One batch --------------------------------------------------------------

TEST_F(ServiceLoopTest, SocketRemovedByAnEarlierHandlerOfTheBatchIsNotCalled) {
  HandlerCalls first_calls;
  HandlerCalls second_calls;
  const auto service = NewRecordingService();
  const UniqueFd first = EventFd(false);
  const UniqueFd second = EventFd(false);
  const auto remove_other = [&](const net_socket_service_event& event) {
    TakeAll(event.event.fd);
    const int other = event.event.fd == first.get() ? second.get() : first.get();
    EXPECT_EQ(table_.RemoveOne(*service, other), 0);
  };
  first_calls.action = remove_other;
  second_calls.action = remove_other;
  const StopOnExit stop(loop_);
  Register(*service, first.get(), first_calls);
  Register(*service, second.get(), second_calls);
  {
    const ServiceThreadHold hold(loop_);
    eventfd_write(first.get(), 1);
    eventfd_write(second.get(), 1);
  }
  FinishTurns();
  EXPECT_EQ(first_calls.count() + second_calls.count(), 1u);
  EXPECT_EQ(loop_.Statistics().stale_events, 1);
  EXPECT_EQ(loop_.Statistics().epoll_rebuilds, 0);
}

TEST_F(ServiceLoopTest, EventOfTheBatchIsNotForTheNextSocketWithThatNumber) {
  HandlerCalls killer_calls;
  HandlerCalls victim_calls;
  HandlerCalls heir_calls;
  const auto service = NewRecordingService();
  const auto heir_service = NewRecordingService();
  const UniqueFd killer = EventFd(false);
  UniqueFd victim = EventFd(false);
  UniqueFd heir;
  killer_calls.action = [&](const net_socket_service_event& event) {
    TakeAll(event.event.fd);
    if (victim_calls.count() > 0) return;  // came first in the batch
    EXPECT_EQ(table_.RemoveOne(*service, victim.get()), 0);
    const int number = victim.get();
    victim.reset();
    heir = EventFdNumbered(number, false);
    EXPECT_EQ(heir.get(), number);
    EXPECT_EQ(table_.AddOne(*heir_service, heir.get(), POLLIN, &heir_calls), 0);
  };
  const StopOnExit stop(loop_);
  Register(*service, killer.get(), killer_calls);
  Register(*service, victim.get(), victim_calls);
  {
    const ServiceThreadHold hold(loop_);
    // Reported in this order.
    eventfd_write(killer.get(), 1);
    eventfd_write(victim.get(), 1);
  }
  FinishTurns();
  EXPECT_EQ(killer_calls.count(), 1u);
  EXPECT_EQ(victim_calls.count(), 0u);
  EXPECT_EQ(heir_calls.count(), 0u);
  EXPECT_EQ(loop_.Statistics().stale_events, 1);
  eventfd_write(heir.get(), 1);
  EXPECT_TRUE(Becomes([&] { return heir_calls.count(); }, Eq(1u)));
}

TEST_F(ServiceLoopTest, MaskChangedEarlierInTheBatchHoldsForItsEvents) {
  HandlerCalls first_calls;
  HandlerCalls second_calls;
  const auto service = NewRecordingService();
  const UniqueFd first = EventFd(false);
  const SocketPair second = UnixPair();
  first_calls.action = [&](const net_socket_service_event& event) {
    TakeAll(event.event.fd);
    EXPECT_EQ(table_.ModifyOne(*service, second.ours.get(), POLLPRI), 0);
  };
  const StopOnExit stop(loop_);
  Register(*service, first.get(), first_calls);
  Register(*service, second.ours.get(), second_calls);
  {
    const ServiceThreadHold hold(loop_);
    eventfd_write(first.get(), 1);
    SendText(second.peer.get(), "x");
  }
  FinishTurns();
  EXPECT_EQ(first_calls.count(), 1u);
  EXPECT_EQ(second_calls.count(), 0u);
}

// The loop closes connections of listeners when the peer has closed; a program's
// socket never.
TEST_F(ServiceLoopTest, ProgramsSocketIsNotClosedWhenTheMaskChangesUnderAHalfClose) {
  HandlerCalls first_calls;
  HandlerCalls second_calls;
  const auto service = NewRecordingService();
  const UniqueFd first = EventFd(false);
  const SocketPair second = TcpPair();
  first_calls.action = [&](const net_socket_service_event& event) {
    TakeAll(event.event.fd);
    EXPECT_EQ(table_.ModifyOne(*service, second.ours.get(), POLLIN), 0);
  };
  second_calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  const StopOnExit stop(loop_);
  Register(*service, first.get(), first_calls);
  Register(*service, second.ours.get(), second_calls, POLLRDHUP);
  {
    const ServiceThreadHold hold(loop_);
    eventfd_write(first.get(), 1);
    shutdown(second.peer.get(), SHUT_WR);
    ASSERT_TRUE(WaitReadable(second.ours.get()));
  }
  ASSERT_TRUE(Becomes([&] { return second_calls.count(); }, Eq(1u)));
  EXPECT_EQ(second_calls.last().event.revents, POLLIN);
  FinishTurns();
  EXPECT_TRUE(IsOpen(second.ours.get()));
}

TEST_F(ServiceLoopTest, StatisticsCountWakeUpsAndEvents) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  std::vector<UniqueFd> fds;
  for (int i = 0; i < 5; ++i) {
    fds.push_back(EventFd(false));
    Register(*service, fds.back().get(), calls);
  }
  const StopOnExit stop(loop_);
  FinishTurns();
  const LoopStatistics before = loop_.Statistics();
  {
    const ServiceThreadHold hold(loop_);
    for (const UniqueFd& fd : fds) eventfd_write(fd.get(), 1);
  }
  FinishTurns();
  const LoopStatistics after = loop_.Statistics();
  EXPECT_EQ(after.events - before.events, 5);
  EXPECT_EQ(after.max_events_per_wakeup, 5);
  EXPECT_GT(after.wakeups, before.wakeups);
  EXPECT_GT(after.busy_nanos, before.busy_nanos);
  EXPECT_GE(after.max_turn_nanos, before.max_turn_nanos);
}

TEST_F(ServiceLoopTest, MoreEventsThanOneBatchHoldsAreAllServed) {
  HandlerCalls calls;
  const auto service = NewRecordingService(1000);
  std::vector<UniqueFd> fds;
  std::vector<int> expected;
  const StopOnExit stop(loop_);
  for (int i = 0; i < 1000; ++i) {
    fds.push_back(EventFd(true));
    expected.push_back(fds.back().get());
    Register(*service, fds.back().get(), calls);
  }
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Ge(1000u)));
  EXPECT_THAT(calls.fds(), testing::UnorderedElementsAreArray(expected));
}

// ---- Counters ---------------------------------------------------------------

TEST_F(ServiceLoopTest, ClosingManySocketsLetsOthersBeServedInBetween) {
  constexpr int kSockets = 400;
  std::vector<int> fds;
  const auto many = NewService(kSockets);
  for (int i = 0; i < kSockets; ++i) {
    fds.push_back(EventFd(false).release());
    ASSERT_EQ(table_.AddOne(*many, fds.back(), POLLIN, nullptr), 0);
  }
  HandlerCalls calls;
  // Of the service thread, until `closed` is set.
  std::vector<int64_t> open;
  calls.action = [&](const net_socket_service_event&) {
    open.push_back(std::count_if(fds.begin(), fds.end(), IsOpen));
  };
  const auto service = NewRecordingService();
  const UniqueFd ready = EventFd(true);
  const StopOnExit stop(loop_);
  std::promise<void> closed;
  {
    const ServiceThreadHold hold(loop_);
    Register(*service, ready.get(), calls);
    table_.RemoveSet(*many, Fate::kClose, [&closed] { closed.set_value(); });
  }
  closed.get_future().wait();
  table_.RemoveSet(*service, Fate::kLeaveOpen, {});
  FinishTurns();
  EXPECT_THAT(open, testing::Contains(testing::AllOf(Ge(1), Le(kSockets - 1))));
}

TEST_F(ServiceLoopTest, HandlerCallsAreCountedForSocketAndService) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  const SocketPair pair = UnixPair(SOCK_DGRAM);
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, pair.ours.get(), calls);
  const int64_t wall_before = absl::GetCurrentTimeNanos();
  for (size_t i = 1; i <= 3; ++i) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(i)));
  }
  FinishTurns();
  const int64_t wall_after = absl::GetCurrentTimeNanos();
  for (const CounterValues& values : {CountersOf(id), service->counters.Read()}) {
    EXPECT_EQ(values[Counter::handler_calls], 3);
    EXPECT_EQ(values[Counter::poll_in_events], 3);
    EXPECT_EQ(values[Counter::poll_out_events], 0);
    EXPECT_GT(values[Counter::max_handler_time_nanos], 0);
    EXPECT_GE(values[Counter::handler_time_nanos], values[Counter::max_handler_time_nanos]);
    EXPECT_LE(values[Counter::handler_time_nanos], wall_after - wall_before);
    EXPECT_GE(values[Counter::dispatch_delay_nanos], values[Counter::max_dispatch_delay_nanos]);
    EXPECT_GE(values[Counter::last_event_time], wall_before);
    EXPECT_LE(values[Counter::last_event_time], wall_after);
    EXPECT_EQ(values[Counter::slow_handler_calls], 0);
  }
}

TEST_F(ServiceLoopTest, TotalsOfAServiceOutliveItsSockets) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  const StopOnExit stop(loop_);
  for (int i = 1; i <= 3; ++i) {
    const UniqueFd fd = EventFd(true);
    Register(*service, fd.get(), calls);
    ASSERT_TRUE(Becomes([&] { return service->counters.Get(Counter::handler_calls); }, Eq(i)));
    ASSERT_EQ(table_.RemoveOne(*service, fd.get()), 0);
  }
}

TEST_F(ServiceLoopTest, CallOfASocketThatItsHandlerRemovesIsCounted) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  const UniqueFd fd = EventFd(true);
  const StopOnExit stop(loop_);
  Register(*service, fd.get(), calls);
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  FinishTurns();
  EXPECT_EQ(service->counters.Get(Counter::handler_calls), 1);
}

TEST_F(ServiceLoopTest, SlowCallIsTimedAndCounted) {
  constexpr int64_t kSlow = 25 * kMillisecond;
  HandlerCalls slow_calls;
  HandlerCalls next_calls;
  const auto service = NewRecordingService();
  slow_calls.action = [](const net_socket_service_event& event) {
    TakeAll(event.event.fd);
    const int64_t until = MonotonicNanos() + kSlow;
    while (MonotonicNanos() < until) {
    }
  };
  const UniqueFd slow = EventFd(false);
  const UniqueFd next = EventFd(false);
  const StopOnExit stop(loop_);
  const SocketId slow_id = Register(*service, slow.get(), slow_calls);
  const SocketId next_id = Register(*service, next.get(), next_calls);
  {
    const ServiceThreadHold hold(loop_);
    // Reported in this order.
    eventfd_write(slow.get(), 1);
    eventfd_write(next.get(), 1);
  }
  FinishTurns();
  EXPECT_EQ(CountersOf(slow_id)[Counter::slow_handler_calls], 1);
  EXPECT_GE(CountersOf(slow_id)[Counter::max_handler_time_nanos], kSlow);
  // What the other one waited for.
  EXPECT_GE(CountersOf(next_id)[Counter::max_dispatch_delay_nanos], kSlow);
  EXPECT_EQ(CountersOf(slow_id)[Counter::poll_in_events], 1);
}

// ---- Doors ------------------------------------------------------------------

TEST_F(ServiceLoopTest, PostedTasksRunOnceInTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::vector<std::vector<int>> seen(kThreads);
  const StopOnExit stop(loop_);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int task = 0; task < kTasks; ++task) {
        loop_.Post([&seen, thread, task] { seen[thread].push_back(task); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  RunOnServiceThread(loop_, [] {});
  std::vector<int> expected(kTasks);
  for (int task = 0; task < kTasks; ++task) expected[static_cast<size_t>(task)] = task;
  EXPECT_THAT(seen, Each(Eq(expected)));
}

TEST_F(ServiceLoopTest, TaskMayPostAnother) {
  std::promise<void> second;
  const StopOnExit stop(loop_);
  loop_.Post([&] { loop_.Post([&second] { second.set_value(); }); });
  EXPECT_EQ(second.get_future().wait_for(kDeadline), std::future_status::ready);
}

TEST_F(ServiceLoopTest, TimersRunInTheOrderOfTheirTimesAndNotEarly) {
  std::vector<int> order;
  std::vector<int64_t> early;
  std::promise<void> last;
  const StopOnExit stop(loop_);
  loop_.Post([&] {
    const int64_t start = loop_.now();
    const auto at = [&](int64_t ms, int number) {
      loop_.RunAt(start + ms * kMillisecond, [&, start, ms, number] {
        order.push_back(number);
        early.push_back(start + ms * kMillisecond - MonotonicNanos());
        if (number == 3) last.set_value();
      });
    };
    at(3, 3);
    at(1, 1);
    at(2, 2);
    at(-5, 0);
  });
  last.get_future().wait();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(early, Each(Le(0)));
}

// ---- A handler that does not consume -------------------------------------------

TEST_F(ServiceLoopTest, SocketThatIsNotConsumedIsMaskedForGrowingPauses) {
  const LogLines log;
  HandlerCalls calls;
  calls.action = [](const net_socket_service_event&) {};
  const auto service = NewRecordingService();
  const UniqueFd fd = EventFd(true);
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, fd.get(), calls);
  ASSERT_TRUE(Becomes([&] { return table_.Find(id)->masked; }, Eq(true)));
  ASSERT_TRUE(Becomes([&] { return CountersOf(id)[Counter::masked]; }, Ge(4)));
  const CounterValues values = CountersOf(id);
  // 4 pauses of 1, 2, 4 and 8 ms, of which the last may not be over.
  EXPECT_GE(values[Counter::masked_nanos], 7 * kMillisecond);
  EXPECT_GT(values[Counter::spurious_events], 0);
  // The budget, and a few calls after each pause.
  EXPECT_LE(values[Counter::handler_calls], 200 + 16 * values[Counter::masked]);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("s1"), HasSubstr("owner1"))));
}

TEST_F(ServiceLoopTest, OthersAreServedBesideASocketThatIsNotConsumed) {
  HandlerCalls spinning;
  spinning.action = [](const net_socket_service_event&) {};
  HandlerCalls calls;
  const auto service = NewRecordingService();
  const UniqueFd fd = EventFd(true);
  const SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, fd.get(), spinning);
  Register(*service, pair.ours.get(), calls);
  for (size_t i = 1; i <= 100; ++i) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(i)));
  }
  EXPECT_TRUE(Becomes([&] { return CountersOf(id)[Counter::masked]; }, Ge(1)));
}

TEST_F(ServiceLoopTest, MaskedSocketComesBackWhenItIsConsumed) {
  std::atomic<bool> consume{false};
  HandlerCalls calls;
  calls.action = [&](const net_socket_service_event& event) {
    if (consume) TakeAll(event.event.fd);
  };
  const auto service = NewRecordingService();
  const SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, pair.ours.get(), calls);
  SendText(pair.peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return CountersOf(id)[Counter::masked]; }, Ge(1)));
  consume = true;
  ASSERT_TRUE(Becomes([&] { return table_.Find(id)->masked; }, Eq(false)));
  const size_t before = calls.count();
  SendText(pair.peer.get(), "x");
  EXPECT_TRUE(Becomes([&] { return calls.count(); }, Ge(before + 1)));
}

TEST_F(ServiceLoopTest, SlowConsumerIsNeverMasked) {
  HandlerCalls calls;
  calls.action = [](const net_socket_service_event& event) {
    char byte;
    EXPECT_EQ(recv(event.event.fd, &byte, 1, 0), 1);
  };
  const auto service = NewRecordingService();
  const SocketPair pair = TcpPair();
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, pair.ours.get(), calls);
  SendText(pair.peer.get(), std::string(3000, 'x'));
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(3000u)));
  EXPECT_EQ(CountersOf(id)[Counter::masked], 0);
  EXPECT_EQ(CountersOf(id)[Counter::spurious_events], 0);
}

TEST_F(ServiceLoopTest, HangUpWithoutInterestIsThrottled) {
  HandlerCalls calls;
  calls.action = [](const net_socket_service_event&) {};
  SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  const SocketId id = Register(*NewRecordingService(), pair.ours.get(), calls, 0);
  pair.peer.reset();
  // From then on the pauses are the longest.
  ASSERT_TRUE(Becomes([&] { return CountersOf(id)[Counter::masked]; }, Ge(9)));
  const size_t before = calls.count();
  const auto [wakeups, nanos] = WakeupsDuring(200 * kMillisecond);
  EXPECT_LE(static_cast<int64_t>(calls.count() - before), 8 * (2 + nanos / (100 * kMillisecond)));
  EXPECT_LE(wakeups, 12 * (2 + nanos / (100 * kMillisecond)));
}

TEST_F(ServiceLoopTest, SocketUnregisteredWhileMaskedStaysGone) {
  HandlerCalls calls;
  calls.action = [](const net_socket_service_event&) {};
  const auto service = NewRecordingService();
  const UniqueFd fd = EventFd(true);
  const StopOnExit stop(loop_);
  const SocketId id = Register(*service, fd.get(), calls);
  ASSERT_TRUE(Becomes([&] { return CountersOf(id)[Counter::masked]; }, Ge(6)));
  const size_t count = [&] {
    const ServiceThreadHold hold(loop_);
    EXPECT_EQ(table_.RemoveOne(*service, fd.get()), 0);
    return calls.count();
  }();
  // Longer than the pause in progress.
  WakeupsDuring(150 * kMillisecond);
  EXPECT_EQ(calls.count(), count);
}

// ---- Sockets that are registered early ------------------------------------------

TEST_F(ServiceLoopTest, TcpSocketRegisteredBeforeBindAndListenWorksAndDoesNotSpin) {
  HandlerCalls calls;
  std::vector<UniqueFd> accepted;
  calls.action = [&](const net_socket_service_event& event) {
    accepted.emplace_back(accept(event.event.fd, nullptr, nullptr));
  };
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  const StopOnExit stop(loop_);
  const SocketId id = Register(*NewRecordingService(), fd.get(), calls);
  const auto [wakeups, nanos] = WakeupsDuring(200 * kMillisecond);
  EXPECT_LE(wakeups, IdleWakeups(nanos));
  EXPECT_EQ(calls.count(), 0u);
  EXPECT_GE(CountersOf(id)[Counter::spurious_events], 1);

  BindToLoopback(fd.get());
  const auto [bound_wakeups, bound_nanos] = WakeupsDuring(200 * kMillisecond);
  EXPECT_LE(bound_wakeups, IdleWakeups(bound_nanos));

  ASSERT_EQ(listen(fd.get(), 5), 0);
  for (size_t i = 1; i <= 3; ++i) {
    const UniqueFd client = ConnectTo(LocalAddress(fd.get(), Protocol::kTcp));
    ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(i)));
    EXPECT_EQ(calls.last().event.revents, POLLIN);
  }
}

TEST_F(ServiceLoopTest, TcpSocketRegisteredBeforeConnectIsServed) {
  HandlerCalls calls;
  const UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(listening.get());
  ASSERT_EQ(listen(listening.get(), 1), 0);
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  const StopOnExit stop(loop_);
  Register(*NewRecordingService(), fd.get(), calls);
  FinishTurns();
  EXPECT_EQ(calls.count(), 0u);
  sockaddr_storage storage;
  const socklen_t length = LocalAddress(listening.get(), Protocol::kTcp).ToSockaddr(storage);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  ASSERT_TRUE(WaitReadable(listening.get()));
  const UniqueFd peer(accept(listening.get(), nullptr, nullptr));
  SendText(peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Ge(1u)));
  EXPECT_EQ(calls.last().event.revents, POLLIN);
}

TEST_F(ServiceLoopTest, FailedConnectIsReported) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  calls.action = [&](const net_socket_service_event& event) {
    EXPECT_EQ(table_.RemoveOne(*service, event.event.fd), 0);
  };
  // Nobody listens there.
  const UniqueFd bound = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(bound.get());
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  sockaddr_storage storage;
  const socklen_t length = LocalAddress(bound.get(), Protocol::kTcp).ToSockaddr(storage);
  connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length);
  const StopOnExit stop(loop_);
  Register(*service, fd.get(), calls, POLLOUT);
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Eq(1u)));
  EXPECT_EQ(calls.last().event.revents & (POLLERR | POLLHUP), POLLERR | POLLHUP);
}

TEST_F(ServiceLoopTest, IdleSocketsCostNoWakeUps) {
  HandlerCalls calls;
  const auto service = NewRecordingService(100);
  std::vector<UniqueFd> fds;
  const StopOnExit stop(loop_);
  for (int i = 0; i < 100; ++i) {
    fds.push_back(EventFd(false));
    Register(*service, fds.back().get(), calls);
  }
  const auto [wakeups, nanos] = WakeupsDuring(200 * kMillisecond);
  EXPECT_LE(wakeups, IdleWakeups(nanos));
}

// ---- fds closed by the program while they are polled -----------------------------

TEST_F(ServiceLoopTest, SilentlyClosedFdIsReportedToItsHandlerAndRemoved) {
  const LogLines log;
  HandlerCalls calls;
  calls.action = [](const net_socket_service_event&) {};
  const auto service = NewRecordingService();
  SocketPair pair = UnixPair();
  const int number = pair.ours.get();
  const StopOnExit stop(loop_);
  Register(*service, number, calls);
  pair.ours.reset();
  ASSERT_TRUE(Becomes([&] { return table_.size(); }, Eq(0u)));
  EXPECT_EQ(calls.count(), 1u);
  EXPECT_EQ(calls.last().event.fd, number);
  EXPECT_EQ(calls.last().event.revents, POLLNVAL);
  EXPECT_EQ(service->counters.Get(Counter::poll_nval_events), 1);
  EXPECT_EQ(loop_.Statistics().closed_behind, 1);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("s1"), HasSubstr("owner1"))));
  const auto [wakeups, nanos] = WakeupsDuring(150 * kMillisecond);
  EXPECT_LE(wakeups, IdleWakeups(nanos));
  EXPECT_EQ(calls.count(), 1u);
}

TEST_F(ServiceLoopTest, SocketAddedToAnIdleThreadIsCheckedToo) {
  HandlerCalls calls;
  calls.action = [](const net_socket_service_event&) {};
  const auto service = NewRecordingService();
  // The thread waits without limit now.
  const StopOnExit stop(loop_);
  FinishTurns();
  UniqueFd fd = EventFd(false);
  ASSERT_EQ(table_.AddOne(*service, fd.get(), POLLIN, &calls), 0);
  fd.reset();
  EXPECT_TRUE(Becomes([&] { return table_.closed_behind(); }, Eq(1)));
}

TEST_F(ServiceLoopTest, HandlerMayRegisterAnewWhenItsFdWasClosed) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  UniqueFd fd = EventFd(false);
  UniqueFd next;
  calls.action = [&](const net_socket_service_event& event) {
    if (event.event.revents != POLLNVAL) {
      TakeAll(event.event.fd);
      return;
    }
    next = EventFdNumbered(event.event.fd, true);
    const pollfd wanted{next.get(), POLLIN, 0};
    EXPECT_EQ(table_.ReplaceSet(*service, {&wanted, 1}, &calls), 0);
  };
  const StopOnExit stop(loop_);
  Register(*service, fd.get(), calls);
  const int number = fd.get();
  fd.reset();
  ASSERT_TRUE(Becomes([&] { return calls.count(); }, Ge(2u)));
  EXPECT_EQ(next.get(), number);
  EXPECT_EQ(calls.last().event.revents, POLLIN);
  FinishTurns();
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ServiceLoopTest, ReusedNumberIsNeverServedForTheOldService) {
  HandlerCalls old_calls;
  HandlerCalls new_calls;
  const auto old_service = NewRecordingService();
  const auto new_service = NewRecordingService();
  UniqueFd fd = EventFd(false);
  // Readable at once, in place of the closed one.
  const UniqueFd other = EventFd(true);
  const StopOnExit stop(loop_);
  Register(*old_service, fd.get(), old_calls);
  {
    const ServiceThreadHold hold(loop_);
    ASSERT_EQ(dup3(other.get(), fd.get(), O_CLOEXEC), fd.get());
    Register(*new_service, fd.get(), new_calls);
  }
  EXPECT_TRUE(Becomes([&] { return new_calls.count(); }, Eq(1u)));
  FinishTurns();
  EXPECT_EQ(old_calls.count(), 0u);
  EXPECT_EQ(loop_.Statistics().closed_behind, 1);
}

TEST_F(ServiceLoopTest, DescriptionThatLivesOnStopsReporting) {
  HandlerCalls calls;
  HandlerCalls other_calls;
  const auto service = NewRecordingService();
  UniqueFd fd = EventFd(false);
  const UniqueFd ghost(dup(fd.get()));
  const SocketPair pair = UnixPair();
  const StopOnExit stop(loop_);
  Register(*service, fd.get(), calls);
  Register(*service, pair.ours.get(), other_calls);
  fd.reset();
  // No call can remove the entry now, and it reports for ever.
  eventfd_write(ghost.get(), 1);
  ASSERT_TRUE(Becomes([&] { return loop_.Statistics().epoll_rebuilds; }, Ge(1)));
  ASSERT_TRUE(Becomes([&] { return table_.size(); }, Eq(1u)));
  FinishTurns();
  const auto [wakeups, nanos] = WakeupsDuring(150 * kMillisecond);
  EXPECT_LE(wakeups, IdleWakeups(nanos));
  EXPECT_EQ(loop_.Statistics().epoll_rebuilds, 1);
  EXPECT_EQ(loop_.Statistics().closed_behind, 1);
  // The others live on.
  SendText(pair.peer.get(), "x");
  EXPECT_TRUE(Becomes([&] { return other_calls.count(); }, Eq(1u)));
}

TEST_F(ServiceLoopTest, UnregisteredDescriptionThatLivesOnStopsReporting) {
  HandlerCalls calls;
  const auto service = NewRecordingService();
  UniqueFd fd = EventFd(false);
  const UniqueFd ghost(dup(fd.get()));
  const StopOnExit stop(loop_);
  Register(*service, fd.get(), calls);
  {
    const ServiceThreadHold hold(loop_);
    // In the wrong order: closed first.
    const int number = fd.get();
    fd.reset();
    EXPECT_EQ(table_.RemoveOne(*service, number), 0);
    eventfd_write(ghost.get(), 1);
  }
  EXPECT_TRUE(Becomes([&] { return loop_.Statistics().epoll_rebuilds; }, Eq(1)));
  const auto [wakeups, nanos] = WakeupsDuring(150 * kMillisecond);
  EXPECT_LE(wakeups, IdleWakeups(nanos));
  EXPECT_EQ(calls.count(), 0u);
}

// ---- Other threads ----------------------------------------------------------

TEST_F(ServiceLoopTest, FirstCallSeesItsUserData) {
  static std::atomic<int> without{0};
  static std::atomic<int> with{0};
  without = 0;
  with = 0;
  const auto service = NewServiceWith([](net_socket_service_event* event) {
    TakeAll(event->event.fd);
    ++(event->user_data ? with : without);
  });
  int user_data = 0;
  const UniqueFd fd = EventFd(false);
  const pollfd wanted{fd.get(), POLLIN, 0};
  const StopOnExit stop(loop_);
  const BusyServiceThread busy(loop_);
  for (int round = 1; round <= 300; ++round) {
    eventfd_write(fd.get(), 1);
    if (round % 2 == 0) {
      ASSERT_EQ(table_.ReplaceSet(*service, {&wanted, 1}, &user_data), 0);
    } else {
      ASSERT_EQ(table_.AddOne(*service, fd.get(), POLLIN, &user_data), 0);
    }
    ASSERT_TRUE(Becomes([&] { return with + without; }, Eq(round)));
    ASSERT_EQ(without, 0) << "round " << round;
    table_.RemoveSet(*service, Fate::kLeaveOpen, {});
  }
}

TEST_F(ServiceLoopTest, SetThatIsRefusedIsNeverServed) {
  HandlerCalls old_calls;
  HandlerCalls refused_calls;
  const auto service = NewRecordingService();
  const SocketPair kept = UnixPair();
  const UniqueFd fresh = EventFd(true);
  const UniqueFd file = RegularFile();
  // Its first two entries are ready, the last one is the fault.
  const pollfd set[] = {
      {kept.ours.get(), POLLOUT, 0}, {fresh.get(), POLLIN, 0}, {file.get(), POLLIN, 0}};
  const StopOnExit stop(loop_);
  Register(*service, kept.ours.get(), old_calls);
  const BusyServiceThread busy(loop_);
  for (int round = 0; round < 2000; ++round) {
    ASSERT_EQ(table_.ReplaceSet(*service, set, &refused_calls), -EPERM);
  }
  FinishTurns();
  EXPECT_EQ(old_calls.count(), 0u);
  EXPECT_EQ(refused_calls.count(), 0u);
}

TEST_F(ServiceLoopTest, CallerMayHoldAMutexThatTheHandlerWants) {
  std::mutex mutex;
  HandlerCalls calls;
  calls.action = [&](const net_socket_service_event& event) {
    const std::lock_guard<std::mutex> lock(mutex);
    TakeAll(event.event.fd);
  };
  const auto service = NewRecordingService();
  const UniqueFd ready = EventFd(false);
  const UniqueFd other = EventFd(false);
  const pollfd set[] = {{ready.get(), POLLIN, 0}, {other.get(), POLLIN, 0}};
  const StopOnExit stop(loop_);
  for (int round = 0; round < 1000; ++round) {
    const std::lock_guard<std::mutex> lock(mutex);
    eventfd_write(ready.get(), 1);
    ASSERT_EQ(table_.ReplaceSet(*service, set, &calls), 0);
    ASSERT_EQ(table_.RemoveOne(*service, other.get()), 0);
    if (round % 3 == 0) table_.RemoveSet(*service, Fate::kLeaveOpen, {});
  }
  ASSERT_EQ(table_.ReplaceSet(*service, set, &calls), 0);
  eventfd_write(ready.get(), 1);
  EXPECT_TRUE(Becomes([&] { return calls.count(); }, Ge(1u)));
}

// An idle thread has to be told of what an error leaves behind.
TEST_F(ServiceLoopTest, RefusedSetsUseUpNoSlots) {
  const auto service = NewService();
  const UniqueFd fresh = EventFd(false);
  const UniqueFd file = RegularFile();
  const pollfd set[] = {{fresh.get(), POLLIN, 0}, {file.get(), POLLIN, 0}};
  const StopOnExit stop(loop_);
  for (int round = 0; round < 100; ++round) {
    ASSERT_EQ(table_.ReplaceSet(*service, set, nullptr), -EPERM);
    FinishTurns();
  }
  ASSERT_EQ(table_.ReplaceSet(*service, {set, 1}, nullptr), 0);
  EXPECT_LE(table_.SlotOfFd(fresh.get())->index, 1u);
}

}  // namespace
}  // namespace sockhost
