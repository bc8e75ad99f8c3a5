// Connections whose fd the code of a program has closed without a word: by fclose(3), by a
// system call of its own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "service_core/spin_guard.h"
#include "tests/core/listeners_fixture.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Le;
using testing::SizeIs;

// As no call of ours sees it.
void CloseSilently(int fd) { syscall(SYS_close, fd); }

class ExposedConnectionTest : public ListenersFixture {
 protected:
  ExposedConnectionTest() {
    freed_ = 0;
    table_.SetClosedLimit(10);
  }

  void Serve(std::function<void(const Event&)> handler) {
    DefineTestService(std::move(handler), POLLIN, [](void*) { ++freed_; });
    listener_ = Create(Config("web"));
  }

  // Nothing is left of the one connection that there was.
  void ExpectFound() {
    const auto reasons = [this] {
      std::vector<CloseReason> all;
      table_.ForEachClosed([&](SocketSnapshot&& socket) { all.push_back(socket.close_reason); });
      return all;
    };
    EXPECT_TRUE(Becomes(reasons, ElementsAre(CloseReason::kClosedBehind)));
    EXPECT_EQ(SocketOf(Role::kConnection).id, 0);
    EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 0);
    EXPECT_EQ(table_.closed_behind(), 1);
  }

  ListenerSnapshot listener_;
  std::atomic<int> calls_{0};
  static inline std::atomic<int> freed_{0};
};

TEST_F(ExposedConnectionTest, ClosedConnectionIsFoundAndFreed) {
  const StopOnExit stop(loop_);
  int user_data = 0;
  Serve([&](const Event& event) {
    ++calls_;
    ServiceLoop::SlotOnServiceThread(event.event.fd)->user_data = &user_data;
    CloseSilently(event.event.fd);
  });
  const UniqueFd client = ConnectTo(listener_.effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(WaitClosed(client.get()));
  ExpectFound();
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(freed_, 1);
}

TEST_F(ExposedConnectionTest, NumberThatAProgramUsesAnewIsClosedByTheProgram) {
  const StopOnExit stop(loop_);
  std::atomic<Closer> closer{Closer::kNobody};
  Serve([&](const Event& event) {
    if (++calls_ > 1) return;
    CloseSilently(event.event.fd);
    const UniqueFd next = EventFdNumbered(event.event.fd, false);
    closer = NoteClose(next.get());
  });
  const UniqueFd client = ConnectTo(listener_.effective_address);
  SendText(client.get(), "x");
  ExpectFound();
  EXPECT_EQ(closer, Closer::kProgram);
}

// The kernel reports the connection for as long as its duplicate is open, under a number that
// is another file's.
TEST_F(ExposedConnectionTest, FileThatTookTheNumberIsNoConnection) {
  const StopOnExit stop(loop_);
  std::atomic<int> stranger{-1};
  std::atomic<int> duplicate{-1};
  Serve([&](const Event& event) {
    if (++calls_ > 1) return;
    duplicate = dup(event.event.fd);
    stranger = dup2(NewSocket(AF_INET, SOCK_DGRAM).get(), event.event.fd);
  });
  const UniqueFd client = ConnectTo(listener_.effective_address);
  SendText(client.get(), "x");
  ExpectFound();
  EXPECT_THAT(calls_.load(), Le(2 * SpinGuard::kFreeIdleCalls));
  // Nor does it become one when the epoll set is built anew.
  EXPECT_TRUE(Becomes([&] { return loop_.Statistics().epoll_rebuilds; }, Eq(1)));
  EXPECT_THAT(Sockets(), SizeIs(1)) << "more than the listener's own";
  EXPECT_TRUE(IsOpen(stranger));
  CloseSilently(stranger);
  CloseSilently(duplicate);
}

TEST_F(ExposedConnectionTest, RegisteredFdThatFailsWithEbadfIsLookedAtInTheSameTurn) {
  const StopOnExit stop(loop_);
  std::atomic<int> duplicate{-1};
  std::atomic<bool> was_told{false};
  SocketPair pair = TcpPair();
  const int fd = pair.ours.release();
  Serve([&](const Event& event) {
    // The audit has come round with the first call: it is not due for a while.
    if (++calls_ == 2) {
      duplicate = dup(fd);
      CloseSilently(fd);
    }
    if (event.event.revents & POLLNVAL) was_told = true;
    char byte;
    CountReceive(fd, recv(fd, &byte, 1, 0), 1, 0);
  });
  ASSERT_EQ(table_.AddOne(*test_service_, fd, POLLIN, nullptr), 0);
  SendText(pair.peer.get(), "x");
  EXPECT_TRUE(Becomes([&] { return calls_.load(); }, Eq(1)));
  SendText(pair.peer.get(), "y");
  EXPECT_TRUE(Becomes([&] { return was_told.load(); }, Eq(true)));
  EXPECT_EQ(calls_, 3);
  CloseSilently(duplicate);
}

}  // namespace
}  // namespace sockhost
