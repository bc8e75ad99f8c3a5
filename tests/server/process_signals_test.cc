#include "server/process_signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace sockhost {
namespace {

// Each in a process of its own: signals and masks belong to the process.
class ProcessSignalsDeathTest : public testing::Test {
 protected:
  ProcessSignalsDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

bool IsReadable(int fd, int timeout_ms = 0) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, timeout_ms) > 0;
}

// Waits for the thread that takes signals.
int TakeNext(ProcessSignals& signals) { return IsReadable(signals.fd(), -1) ? signals.Take() : 0; }

// No further file can be opened from now on.
void UseUpFds() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int lowest_free = dup(STDERR_FILENO);
  close(lowest_free);
  limit.rlim_cur = static_cast<rlim_t>(lowest_free);
  setrlimit(RLIMIT_NOFILE, &limit);
}

[[noreturn]] void WaitForTheEnd() {
  while (true) pause();
}

constexpr int kExitBySignal = 128 + SIGTERM;

// Exits with 0 if `condition` holds all along.
#define EXIT_UNLESS(condition) \
  if (!(condition)) _exit(99)

TEST_F(ProcessSignalsDeathTest, SignalIsTakenOnce) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    EXPECT_EXIT(
        {
          ProcessSignals signals;
          signals.BeginToServe(absl::Hours(1));
          EXIT_UNLESS(!IsReadable(signals.fd()) && !signals.Take());
          kill(getpid(), number);
          EXIT_UNLESS(TakeNext(signals) == number);
          EXIT_UNLESS(!IsReadable(signals.fd()) && !signals.Take());
          _exit(0);
        },
        testing::ExitedWithCode(0), "");
  }
}

TEST_F(ProcessSignalsDeathTest, SignalEndsAProcessThatDoesNotServeYet) {
  for (const int number : {SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          const ProcessSignals signals;
          kill(getpid(), number);
          WaitForTheEnd();
        },
        testing::ExitedWithCode(kExitBySignal), "sockhostd: a signal, from process [0-9]+");
  }
}

TEST_F(ProcessSignalsDeathTest, HangupOfAProcessThatStartsIsKept) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        kill(getpid(), SIGHUP);
        EXIT_UNLESS(TakeNext(signals) == SIGHUP);
        _exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(ProcessSignalsDeathTest, LostPeerIsAnErrorAndNoDeath) {
  EXPECT_EXIT(
      {
        const ProcessSignals signals;
        int pair[2];
        EXIT_UNLESS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        close(pair[1]);
        EXIT_UNLESS(write(pair[0], "x", 1) == -1 && errno == EPIPE);
        _exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(ProcessSignalsDeathTest, NextSignalEndsAProcessThatStops) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.BeginToServe(absl::Hours(1));
        kill(getpid(), SIGTERM);
        EXIT_UNLESS(TakeNext(signals) == SIGTERM);
        kill(getpid(), SIGINT);
        WaitForTheEnd();
      },
      testing::ExitedWithCode(kExitBySignal), "second signal, from process [0-9]+");
}

TEST_F(ProcessSignalsDeathTest, NextSignalEndsAProcessWithoutAFreeFd) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.BeginToServe(absl::Hours(1));
        UseUpFds();
        EXIT_UNLESS(dup(STDERR_FILENO) == -1);
        kill(getpid(), SIGTERM);
        EXIT_UNLESS(TakeNext(signals) == SIGTERM);
        kill(getpid(), SIGTERM);
        WaitForTheEnd();
      },
      testing::ExitedWithCode(kExitBySignal), "second signal");
}

TEST_F(ProcessSignalsDeathTest, HangupDoesNotEndAProcessThatStops) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.BeginToServe(absl::Hours(1));
        kill(getpid(), SIGTERM);
        EXIT_UNLESS(TakeNext(signals) == SIGTERM);
        kill(getpid(), SIGHUP);
        kill(getpid(), SIGTERM);
        WaitForTheEnd();
      },
      testing::ExitedWithCode(kExitBySignal), "second signal");
}

TEST_F(ProcessSignalsDeathTest, LimitEndsAStopThatHangs) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.BeginToServe(absl::Milliseconds(10));
        kill(getpid(), SIGTERM);
        WaitForTheEnd();
      },
      testing::ExitedWithCode(1), "could not stop in time");
}

TEST_F(ProcessSignalsDeathTest, LimitEndsAStartThatHasFailed) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.EndProcessAfter(absl::Milliseconds(10));
        WaitForTheEnd();
      },
      testing::ExitedWithCode(1), "could not stop in time");
}

}  // namespace
}  // namespace sockhost
