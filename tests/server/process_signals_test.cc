#include "server/process_signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
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

bool IsReadable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, 0) > 0;
}

// Exits with 0 if `condition` holds all along.
#define EXIT_UNLESS(condition) \
  if (!(condition)) _exit(99)

TEST_F(ProcessSignalsDeathTest, SignalIsTakenOnce) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        EXIT_UNLESS(!IsReadable(signals.fd()) && !signals.Take());
        for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
          kill(getpid(), number);
          EXIT_UNLESS(IsReadable(signals.fd()) && signals.Take() == number);
          EXIT_UNLESS(!IsReadable(signals.fd()) && !signals.Take());
        }
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
        signals.EndProcessAfter(absl::Hours(1));
        kill(getpid(), SIGINT);
        while (true) pause();
      },
      testing::ExitedWithCode(128 + SIGTERM), "second signal");
}

TEST_F(ProcessSignalsDeathTest, HangupDoesNotEndAProcessThatStops) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.EndProcessAfter(absl::Hours(1));
        kill(getpid(), SIGHUP);
        EXIT_UNLESS(!IsReadable(signals.fd()));
        kill(getpid(), SIGTERM);
        while (true) pause();
      },
      testing::ExitedWithCode(128 + SIGTERM), "second signal");
}

TEST_F(ProcessSignalsDeathTest, LimitEndsAProcessThatHangs) {
  EXPECT_EXIT(
      {
        ProcessSignals signals;
        signals.EndProcessAfter(absl::Milliseconds(10));
        while (true) pause();
      },
      testing::ExitedWithCode(1), "could not stop in time");
}

}  // namespace
}  // namespace sockhost
