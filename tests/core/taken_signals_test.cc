#include "sockhost/taken_signals.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zephyr/net/socket.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "tests/core/eventually.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Gt;

constexpr int kTaken = SIGUSR1;
// An application's own.
constexpr int kOther = SIGUSR2;

std::atomic<int> handled{0};
std::atomic<pid_t> sender{-1};

// A call on a thread of its own.
class CallingThread {
 public:
  explicit CallingThread(std::function<int()> call)
      : thread_([this, call = std::move(call)] {
          result_ = call();
          if (result_ < 0) result_ = -errno;
          has_returned_ = true;
        }) {}
  ~CallingThread() { thread_.join(); }

  void Send(int signal) {
    if (!has_returned_) pthread_kill(thread_.native_handle(), signal);
  }
  // Until some have been handled.
  void SendTaken() {
    const int before = handled;
    EXPECT_TRUE(Becomes(
        [&] {
          Send(kTaken);
          return handled.load();
        },
        Gt(before + 10)));
  }
  // What it returns, or the negative errno, if `signal` comes until it does.
  int ResultUnder(int signal) {
    EXPECT_TRUE(Becomes(
        [&] {
          Send(signal);
          return has_returned_.load();
        },
        Eq(true)));
    return result_;
  }
  int Result() {
    EXPECT_TRUE(Becomes([&] { return has_returned_.load(); }, Eq(true)));
    return result_;
  }

 private:
  int result_ = 0;
  std::atomic<bool> has_returned_{false};
  std::thread thread_;
};

class TakenSignalsTest : public testing::Test {
 protected:
  // Many signals come in that time.
  static constexpr int kWaitMs = 50;

  void SetUp() override {
    TakeSignal(kTaken, [](int, pid_t from) {
      ++handled;
      sender = from;
    });
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(kOther, &action, nullptr);
  }

  // `call` waits for a byte from the peer, which signals do not keep it from.
  void ExpectToWait(std::function<int()> call) {
    CallingThread thread(std::move(call));
    thread.SendTaken();
    SendText(pair_.peer.get(), "x");
    EXPECT_EQ(thread.Result(), 1);
    char byte;
    recv(fd_, &byte, 1, MSG_DONTWAIT);
  }

  const SocketPair pair_ = UnixPair();
  const int fd_ = pair_.ours.get();
};

TEST_F(TakenSignalsTest, HandlerIsToldWhoHasSentTheSignal) {
  const int before = handled;
  kill(getpid(), kTaken);
  EXPECT_TRUE(Becomes([] { return handled.load(); }, Eq(before + 1)));
  EXPECT_EQ(sender, getpid());
}

TEST_F(TakenSignalsTest, CallsThatWaitGoOn) {
  ExpectToWait([this] {
    zsock_pollfd wanted{fd_, POLLIN, 0};
    return zsock_poll(&wanted, 1, -1);
  });
  ExpectToWait([this] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd_, &set);
    return zsock_select(fd_ + 1, &set, nullptr, nullptr, nullptr);
  });
}

TEST_F(TakenSignalsTest, ReceivingWithATimeoutGoesOn) {
  ASSERT_EQ(fcntl(fd_, F_SETFL, 0), 0);
  const timeval timeout{60, 0};
  ASSERT_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
  char byte;
  ExpectToWait([&] { return static_cast<int>(zsock_recv(fd_, &byte, 1, 0)); });
}

TEST_F(TakenSignalsTest, PollEndsInItsTime) {
  CallingThread thread([] { return zsock_poll(nullptr, 0, kWaitMs); });
  EXPECT_EQ(thread.ResultUnder(kTaken), 0);
}

TEST_F(TakenSignalsTest, SelectEndsInItsTime) {
  CallingThread thread([] {
    timeval timeout{0, kWaitMs * 1000};
    return zsock_select(0, nullptr, nullptr, nullptr, &timeout);
  });
  EXPECT_EQ(thread.ResultUnder(kTaken), 0);
}

TEST_F(TakenSignalsTest, SignalsOfAnApplicationInterrupt) {
  CallingThread thread([] { return zsock_poll(nullptr, 0, -1); });
  EXPECT_EQ(thread.ResultUnder(kOther), -EINTR);
}

TEST_F(TakenSignalsTest, SignalEndsAForkedChildAsByDefault) {
  const int before = handled;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    raise(kTaken);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == kTaken) << "status " << status;
  EXPECT_EQ(handled, before);
}

}  // namespace
}  // namespace sockhost
