#include "service_core/stall_watchdog.h"

#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <zephyr/net/socket.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "sockhost/last_words.h"
#include "sockhost/log_sink.h"
#include "tests/core/eventually.h"
#include "tests/core/log_lines.h"
#include "tests/core/loop_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Contains;
using testing::Eq;
using testing::Ge;
using testing::HasSubstr;
using testing::SizeIs;

constexpr int64_t kMillisecond = 1'000'000;

// A service thread with a watchdog, and a handler that blocks until it is let go.
class WatchedThread {
 public:
  explicit WatchedThread(bool abort_on_stall = false) {
    EXPECT_TRUE(table_.Open().ok());
    sockhost_service_definition definition{};
    definition.name = "sleeper";
    definition.owner = "sleeper.c:42";
    definition.handler = HandlerCalls::Handle;
    definition.capacity = 1;
    service_ = *registry_.Define(definition, ServiceKind::kModule);
    calls_.action = [this](const net_socket_service_event& event) {
      TakeAll(event.event.fd);
      if (in_handler_) in_handler_();
      release_.get_future().wait();
    };
    EXPECT_EQ(table_.AddOne(*service_, fd_.get(), POLLIN, &calls_), 0);
    EXPECT_TRUE(loop_.Start().ok());
    watchdog_ = std::make_unique<StallWatchdog>(loop_, registry_, abort_on_stall);
  }

  ~WatchedThread() {
    if (blocked_) Release();
    loop_.Stop([this] { watchdog_.reset(); });
  }

  // A handler call begins that lasts until Release.
  void Block() {
    release_ = std::promise<void>();
    blocked_ = true;
    eventfd_write(fd_.get(), 1);
  }
  void Release() {
    blocked_ = false;
    release_.set_value();
    const size_t calls = ++released_;
    EXPECT_TRUE(Becomes([&] { return calls_.count(); }, Eq(calls)));
  }

  StallWatchdog& watchdog() { return *watchdog_; }
  const Service& service() const { return *service_; }
  ServiceLoop& loop() { return loop_; }
  int fd() const { return fd_.get(); }
  void DestroyWatchdog() { watchdog_.reset(); }
  void ForgetService() { registry_.Withdraw(*service_); }
  // Runs in each call before it blocks. Set before Block.
  void SetInHandler(std::function<void()> task) { in_handler_ = std::move(task); }

 private:
  ServiceRegistry registry_;
  SocketTable table_;
  HandlerCalls calls_;
  const UniqueFd fd_ = EventFd(false);
  std::function<void()> in_handler_;
  std::promise<void> release_;
  bool blocked_ = false;
  size_t released_ = 0;
  std::shared_ptr<Service> service_;
  ServiceLoop loop_{table_};
  std::unique_ptr<StallWatchdog> watchdog_;
};

// Lets the time of a whole stall pass, by the watchdog of another thread.
void LetAStallPass() {
  const LogLines log;
  WatchedThread clock;
  clock.Block();
  EXPECT_TRUE(Becomes([&] { return clock.watchdog().IsStalled(); }, Eq(true)));
}

TEST(StallWatchdogTest, BlockedHandlerIsCountedAndItsServiceAndOwnerAreLogged) {
  const LogLines log;
  WatchedThread thread;
  thread.Block();
  ASSERT_TRUE(Becomes([&] { return thread.watchdog().stalls(); }, Eq(1)));
  EXPECT_TRUE(Becomes([&] { return log.lines(); },
                      Contains(HasSubstr(" service=sleeper owner=sleeper.c:42 "))));
  thread.Release();
  EXPECT_GE(thread.watchdog().max_stall_nanos(), StallWatchdog::kStallMs * kMillisecond);
}

TEST(StallWatchdogTest, LongStallMakesTheThreadUnhealthyUntilItReturns) {
  const LogLines log;
  WatchedThread thread;
  EXPECT_FALSE(thread.watchdog().IsStalled());
  EXPECT_EQ(thread.watchdog().Stalled().service, "");
  thread.Block();
  ASSERT_TRUE(Becomes([&] { return thread.watchdog().IsStalled(); }, Eq(true)));
  EXPECT_EQ(thread.watchdog().Stalled().service, "sleeper");
  EXPECT_EQ(thread.watchdog().Stalled().owner, "sleeper.c:42");
  thread.Release();
  EXPECT_TRUE(Becomes([&] { return thread.watchdog().IsStalled(); }, Eq(false)));
  EXPECT_EQ(thread.watchdog().Stalled().service, "");
  EXPECT_GE(thread.watchdog().max_stall_nanos(), StallWatchdog::kUnhealthyMs * kMillisecond);
}

TEST(StallWatchdogTest, OneLongStallIsOneStall) {
  const LogLines log;
  WatchedThread thread;
  thread.Block();
  ASSERT_TRUE(Becomes([&] { return thread.watchdog().IsStalled(); }, Eq(true)));
  EXPECT_EQ(thread.watchdog().stalls(), 1);
  thread.Release();
  EXPECT_EQ(thread.watchdog().stalls(), 1);
}

TEST(StallWatchdogTest, EachStallIsCountedButNotEachIsLogged) {
  const LogLines log;
  WatchedThread thread;
  for (int stall = 1; stall <= 3; ++stall) {
    thread.Block();
    ASSERT_TRUE(Becomes([&] { return thread.watchdog().stalls(); }, Eq(stall)));
    thread.Release();
  }
  // At most five a minute.
  EXPECT_THAT(log.lines(), SizeIs(1));
}

TEST(StallWatchdogTest, LargestStallIsKept) {
  const LogLines log;
  WatchedThread thread;
  thread.Block();
  ASSERT_TRUE(Becomes([&] { return thread.watchdog().IsStalled(); }, Eq(true)));
  thread.Release();
  const int64_t largest = thread.watchdog().max_stall_nanos();
  thread.Block();
  ASSERT_TRUE(Becomes([&] { return thread.watchdog().stalls(); }, Eq(2)));
  thread.Release();
  EXPECT_GE(thread.watchdog().max_stall_nanos(), largest);
}

TEST(StallWatchdogTest, StallsAreCountedForTheService) {
  const LogLines log;
  WatchedThread thread;
  for (int stall = 1; stall <= 2; ++stall) {
    thread.Block();
    // While it lasts: one that never returns must be seen too.
    ASSERT_TRUE(Becomes([&] { return thread.service().stalls.load(); }, Eq(stall)));
    thread.Release();
  }
  EXPECT_GE(thread.service().max_stall_nanos, StallWatchdog::kStallMs * kMillisecond);
}

// ---- Aborting -------------------------------------------------------------------------

using StallWatchdogDeathTest = testing::Test;

// Runs a handler that never returns until the process is gone.
void RunForEver(bool abort_on_stall, void (*handler)()) {
  SetLogSink(nullptr);
  WatchedThread thread(abort_on_stall);
  thread.SetInHandler([handler] {
    while (true) handler();
  });
  thread.Block();
  std::promise<void>().get_future().wait();
}

TEST(StallWatchdogDeathTest, HandlerThatComputesForEverEndsTheProcessIfAskedTo) {
  EXPECT_EXIT(RunForEver(true, [] {}), testing::KilledBySignal(SIGABRT),
              "aborting.* service=sleeper owner=sleeper.c:42 ");
}

TEST(StallWatchdogDeathTest, HandlerThatEndsItsThreadEndsTheProcess) {
  EXPECT_EXIT(RunForEver(false, [] { pthread_exit(nullptr); }), testing::KilledBySignal(SIGABRT),
              "ends the service thread.* service=sleeper owner=sleeper.c:42 fd=[0-9]+\n$");
}

TEST(StallWatchdogTest, CallOfAThreadIsTheHandlerThatItIsIn) {
  const LogLines log;
  WatchedThread thread;
  HandlerCall call;
  thread.SetInHandler([&call] { call = CallOfThisThread(); });
  EXPECT_EQ(CallOfThisThread().service, nullptr);
  thread.Block();
  thread.Release();
  ASSERT_NE(call.service, nullptr);
  EXPECT_STREQ(call.service, "sleeper");
  EXPECT_STREQ(call.owner, "sleeper.c:42");
  EXPECT_EQ(call.fd, thread.fd());
}

TEST(StallWatchdogTest, HandlerThatPollsIsNotInterruptedWhenItsFramesAreTaken) {
  const LogLines log;
  WatchedThread thread;
  const SocketPair pair = UnixPair();
  int result = 0;
  thread.SetInHandler([&] {
    zsock_pollfd wanted{pair.ours.get(), POLLIN, 0};
    result = zsock_poll(&wanted, 1, -1);
  });
  thread.Block();
  // Written when they are.
  ASSERT_TRUE(Becomes([&] { return log.lines(); }, Contains(HasSubstr(" backtrace="))));
  SendText(pair.peer.get(), "x");
  thread.Release();
  EXPECT_EQ(result, 1);
}

TEST(StallWatchdogTest, HandlerThatWaitsIsNotAborted) {
  const LogLines log;
  WatchedThread thread(/*abort_on_stall=*/true);
  thread.Block();
  // Longer than the CPU time that it may use.
  EXPECT_TRUE(Becomes([&] { return thread.watchdog().max_stall_nanos(); },
                      Ge(StallWatchdog::kAbortCpuNanos + 500 * kMillisecond)));
}

TEST(StallWatchdogTest, IdleThreadIsNotStalled) {
  WatchedThread thread;
  LetAStallPass();
  EXPECT_EQ(thread.watchdog().stalls(), 0);
  EXPECT_EQ(thread.watchdog().max_stall_nanos(), 0);
}

TEST(StallWatchdogTest, ServiceMayBeForgottenWhileItStalls) {
  const LogLines log;
  WatchedThread thread;
  thread.SetInHandler([&thread] { thread.ForgetService(); });
  thread.Block();
  EXPECT_TRUE(Becomes([&] { return thread.watchdog().IsStalled(); }, Eq(true)));
  EXPECT_EQ(thread.watchdog().Stalled().service, "");
}

TEST(StallWatchdogTest, WatchdogEndsWhileAHandlerBlocks) {
  const LogLines log;
  WatchedThread thread;
  thread.Block();
  ASSERT_TRUE(Becomes([&] { return thread.watchdog().stalls(); }, Ge(1)));
  thread.DestroyWatchdog();
}

// A process that is stopped and continued in the middle of a handler: what passed
// meanwhile is no stall.
TEST(StallWatchdogTest, StoppedProcessHasNotStalled) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const LogLines log;
    WatchedThread thread;
    std::promise<void> in_handler;
    thread.SetInHandler([&in_handler] {
      in_handler.set_value();
      raise(SIGSTOP);
    });
    thread.Block();
    in_handler.get_future().wait();
    thread.Release();
    // On a loaded machine the handler can wait for its core as long as a stall takes: not as
    // long as it was stopped.
    constexpr int64_t kStoppedNanos = int64_t{StallWatchdog::kUnhealthyMs} * 1'000'000;
    _exit(thread.watchdog().max_stall_nanos() < kStoppedNanos ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status)) << "status " << status;
  LetAStallPass();
  ASSERT_EQ(kill(child, SIGCONT), 0);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "status " << status;
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the stop was counted";
}

}  // namespace
}  // namespace sockhost
