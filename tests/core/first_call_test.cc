// A service that speaks first: its handler is called before the connection is polled.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "sockhost/socket_service_ext.h"
#include "tests/core/listeners_fixture.h"

namespace sockhost {
namespace {

using testing::Eq;

class FirstCallTest : public ListenersFixture {
 protected:
  UniqueFd Connect() { return ConnectTo(Create(Config("web")).effective_address); }

  // A connection whose first call does `spoil` to its fd, so that epoll refuses it with
  // `error`, is closed like one that could not be accepted; the listener goes on.
  void ExpectClosedAfterIt(int error, std::function<void(int fd)> spoil) {
    DefineTestService(
        [&](const Event& event) {
          const int fd = event.event.fd;
          const int call = ++calls_;
          if (call == 1) return spoil(fd);
          if (call > 2) return static_cast<void>(sockhost_socket_close(fd));
          SendText(fd, "hello");
          sockhost_socket_set_events(fd, POLLIN);
        },
        POLLOUT);
    const StopOnExit stop(loop_);
    const SocketAddress address = Create(Config("web")).effective_address;
    const UniqueFd client = ConnectTo(address);
    EXPECT_TRUE(WaitClosed(client.get()));
    EXPECT_TRUE(CounterBecomes("web", Counter::accept_errors, 1));
    EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
    const CounterValues counters = ListenerCounters("web");
    EXPECT_EQ(counters.errors()[0].error_number, error);
    EXPECT_EQ(table_.closed_behind(), 0);
    const UniqueFd next = ConnectTo(address);
    EXPECT_EQ(ReceiveText(next.get(), 5), "hello");
    EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
    FinishTurns(loop_);
  }

  std::atomic<int> calls_{0};
};

TEST_F(FirstCallTest, TellsThatItCanBeWrittenTo) {
  std::atomic<short> revents{0};
  DefineTestService(
      [&](const Event& event) {
        revents = event.event.revents;
        SendText(event.event.fd, "hello");
        sockhost_socket_close(event.event.fd);
      },
      POLLIN | POLLOUT);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  EXPECT_EQ(ReceiveText(client.get(), 100), "hello");
  EXPECT_EQ(revents, POLLOUT);
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  EXPECT_EQ(ListenerCounters("web")[Counter::handler_calls], 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::poll_out_events], 0);
}

TEST_F(FirstCallTest, WhatItAsksForIsPolled) {
  DefineTestService(
      [&](const Event& event) {
        if (++calls_ == 1)
          return static_cast<void>(sockhost_socket_set_events(event.event.fd, POLLIN));
        Echo(event);
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  SendText(client.get(), "ping");
  EXPECT_EQ(ReceiveText(client.get(), 4), "ping");
}

TEST_F(FirstCallTest, WhatItDoesNotChangeIsPolled) {
  DefineTestService(
      [&](const Event& event) {
        if (++calls_ < 3) return;
        SendText(event.event.fd, "third");
        sockhost_socket_close(event.event.fd);
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  EXPECT_EQ(ReceiveText(Connect().get(), 100), "third");
}

// Whoever was ready first: the thread is held while both become so.
TEST_F(FirstCallTest, WhoIsConnectedComesBeforeWhoConnects) {
  std::string calls;
  DefineTestService(
      [&](const Event& event) {
        calls += event.event.revents & POLLIN ? 'r' : 'o';
        if (event.event.revents & POLLIN) return Echo(event);
        sockhost_socket_set_events(event.event.fd, POLLIN);
        SendText(event.event.fd, "o");
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  const SocketAddress address = Create(Config("web")).effective_address;
  const UniqueFd first = ConnectTo(address);
  ASSERT_EQ(ReceiveText(first.get(), 1), "o");
  UniqueFd second;
  {
    const ServiceThreadHold hold(loop_);
    second = ConnectTo(address);
    SendText(first.get(), "r");
  }
  EXPECT_EQ(ReceiveText(second.get(), 1), "o");
  EXPECT_EQ(ReceiveText(first.get(), 1), "r");
  // That thread's: the next call comes when the clients close.
  std::string seen;
  RunOnServiceThread(loop_, [&] { seen = calls; });
  EXPECT_EQ(seen, "oro");
}

TEST_F(FirstCallTest, RemovalDuringItClosesTheConnection) {
  DefineTestService(
      [&](const Event&) {
        EXPECT_TRUE(table_.Remove(SocketOf(Role::kConnection).id, Fate::kClose));
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  EXPECT_EQ(table_.closed_behind(), 0);
}

TEST_F(FirstCallTest, ExceptionInItClosesTheConnection) {
  DefineTestService([](const Event&) { throw std::runtime_error("on purpose"); }, POLLOUT);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(CounterBecomes("web", Counter::handler_exceptions, 1));
}

// As close(2) does it. The number may be another file by then, which is not touched.
TEST_F(FirstCallTest, FdThatItClosesSilentlyIsNotClosedAgain) {
  DefineTestService([](const Event& event) { close(event.event.fd); }, POLLOUT);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  EXPECT_EQ(table_.closed_behind(), 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::accept_errors], 0);
}

// epoll takes one entry of an fd, and that is another one.
TEST_F(FirstCallTest, ConnectionThatEpollRefusesIsClosed) {
  ExpectClosedAfterIt(EEXIST, [this](int fd) {
    epoll_event silent{};
    EXPECT_EQ(epoll_ctl(table_.epoll().fd(), EPOLL_CTL_ADD, fd, &silent), 0);
  });
}

// Nor can it be found there: that does not make it somebody else's, who is to close it.
TEST_F(FirstCallTest, FdThatCannotBePolledIsClosed) {
  const UniqueFd file = RegularFile();
  std::atomic<int> replaced{-1};
  ExpectClosedAfterIt(EPERM, [&](int fd) { replaced = dup2(file.get(), fd); });
  struct stat found {};
  struct stat wanted {};
  ASSERT_EQ(fstat(file.get(), &wanted), 0);
  // The number may be that of the next connection.
  EXPECT_TRUE(fstat(replaced, &found) != 0 || found.st_ino != wanted.st_ino);
}

TEST_F(FirstCallTest, ManyAtOnceAreAllCalled) {
  DefineTestService(
      [&](const Event& event) {
        ++calls_;
        sockhost_socket_set_events(event.event.fd, POLLIN);
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  const SocketAddress address = Create(Config("web")).effective_address;
  std::vector<UniqueFd> clients;
  RunOnServiceThread(loop_, [&] {
    for (int i = 0; i < 100; ++i) clients.push_back(ConnectTo(address));
  });
  EXPECT_TRUE(Becomes([&] { return calls_.load(); }, Eq(100)));
}

}  // namespace
}  // namespace sockhost
