// Sockets that a service opens towards other servers, connections that it keeps, and
// its timers.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "sockhost/service_timer.h"
#include "sockhost/socket_service_ext.h"
#include "tests/core/listeners_fixture.h"
#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Ge;
using testing::SizeIs;

// A server on 127.0.0.1 that the test itself is.
class OtherServer {
 public:
  OtherServer() : fd_(NewSocket(AF_INET, SOCK_STREAM)) {
    BindToLoopback(fd_.get());
    EXPECT_EQ(listen(fd_.get(), 16), 0);
  }

  SocketAddress address() const { return LocalAddress(fd_.get(), Protocol::kTcp); }
  UniqueFd Accept() const {
    EXPECT_TRUE(WaitReadable(fd_.get()));
    return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK));
  }

 private:
  const UniqueFd fd_;
};

int Connect(int of_fd, const SocketAddress& address, short events, void* user_data = nullptr) {
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  const int type = address.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  return sockhost_socket_connect(of_fd, type, reinterpret_cast<sockaddr*>(&storage), length, events,
                                 user_data);
}

class UpstreamSocketTest : public ListenersFixture {
 protected:
  // A service whose connections open an upstream to `server_` with their first event.
  void DefineConnectingService() {
    DefineTestService([this](const Event& event) {
      TakeAll(event.event.fd);
      if (event.user_data == this || upstream_fd_ >= 0) return;
      upstream_fd_ = Connect(event.event.fd, server_.address(), POLLOUT, this);
      sockhost_socket_set_events(upstream_fd_, 0);
    });
  }

  OtherServer server_;
  std::atomic<int> upstream_fd_{-1};
};

// ---- Opening --------------------------------------------------------------------

TEST_F(UpstreamSocketTest, IsShownWithItsPeer) {
  DefineConnectingService();
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  const UniqueFd accepted = server_.Accept();
  ASSERT_TRUE(Becomes([&] { return Sockets(); }, SizeIs(3)));
  const SocketSnapshot upstream = SocketOf(Role::kUpstream);
  EXPECT_EQ(upstream.fd, upstream_fd_);
  EXPECT_EQ(*upstream.listener, "web");
  EXPECT_EQ(*upstream.service, "test");
  EXPECT_EQ(upstream.protocol, Protocol::kTcp);
  EXPECT_EQ(upstream.remote, server_.address());
  EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
}

TEST_F(UpstreamSocketTest, IsClosedByACallAndItsServiceIsTold) {
  static std::atomic<int> freed{0};
  freed = 0;
  DefineTestService(
      [this](const Event& event) {
        TakeAll(event.event.fd);
        if (upstream_fd_ >= 0) return;
        upstream_fd_ = Connect(event.event.fd, server_.address(), POLLOUT, this);
        sockhost_socket_set_events(upstream_fd_, 0);
      },
      0, [](void*) { ++freed; });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  const UniqueFd accepted = server_.Accept();
  ASSERT_TRUE(Becomes([&] { return Sockets(); }, SizeIs(3)));
  std::promise<void> done;
  ASSERT_EQ(table_.CloseConnection(SocketOf(Role::kUpstream).id, CloseReason::kClosedByAdmin,
                                   [&done] { done.set_value(); }),
            0);
  done.get_future().wait();
  EXPECT_EQ(freed, 1);
  EXPECT_TRUE(WaitClosed(accepted.get()));
  EXPECT_THAT(Sockets(), SizeIs(2)) << "the listener and the connection";
}

TEST_F(UpstreamSocketTest, PeersAreKnownToTheHandler) {
  struct Peers {
    SocketAddress client, upstream;
  };
  std::promise<Peers> peers;
  DefineTestService([&](const Event& event) {
    const int fd = event.event.fd;
    TakeAll(fd);
    if (upstream_fd_ >= 0) return;
    upstream_fd_ = Connect(fd, server_.address(), POLLIN);
    const auto peer_of = [](int of) {
      sockaddr_storage storage{};
      unsigned int length = sizeof(storage);
      auto* const address = reinterpret_cast<sockaddr*>(&storage);
      EXPECT_EQ(sockhost_socket_peer(of, address, &length), 0);
      return SocketAddress::From(Protocol::kTcp, address, length);
    };
    sockaddr none;
    unsigned int length = 0;
    EXPECT_EQ(sockhost_socket_peer(fd, &none, &length), 0);
    EXPECT_EQ(length, sizeof(sockaddr_in));
    EXPECT_EQ(sockhost_socket_peer(SocketOf(Role::kListening).fd, &none, &length), -ENOENT);
    peers.set_value({peer_of(fd), peer_of(upstream_fd_)});
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  const Peers found = peers.get_future().get();
  EXPECT_EQ(found.client, LocalAddress(client.get(), Protocol::kTcp));
  EXPECT_EQ(found.upstream, server_.address());
}

TEST_F(UpstreamSocketTest, IsClosedWithItsListener) {
  DefineConnectingService();
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  const UniqueFd accepted = server_.Accept();
  Delete("web");
  EXPECT_TRUE(WaitClosed(accepted.get()));
  EXPECT_TRUE(Sockets().empty());
}

TEST_F(UpstreamSocketTest, StaysWhenAcceptingStops) {
  DefineConnectingService();
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  const UniqueFd accepted = server_.Accept();
  ASSERT_TRUE(Becomes([&] { return Sockets(); }, SizeIs(3)));
  listeners_.StopAccepting(absl::Hours(1));
  FinishTurns(loop_);
  EXPECT_THAT(Sockets(), SizeIs(2));
}

TEST_F(UpstreamSocketTest, ConnectForAnFdWithoutListenerIsRefused) {
  const StopOnExit stop(loop_);
  const UniqueFd fd = EventFd(false);
  int result = 0;
  RunOnServiceThread(loop_, [&] { result = Connect(fd.get(), server_.address(), POLLOUT); });
  EXPECT_EQ(result, -EINVAL);
}

// What sockhost_socket_connect returns in a handler of a connection of "web".
class UpstreamFaultTest : public UpstreamSocketTest {
 protected:
  int ConnectInHandler(const SocketAddress& address) {
    return CallInHandler([&](int fd) { return Connect(fd, address, POLLOUT, &freed_); });
  }

  int CallInHandler(const std::function<int(int fd)>& call) {
    std::promise<int> result;
    DefineTestService(
        [&](const Event& event) {
          TakeAll(event.event.fd);
          result.set_value(call(event.event.fd));
        },
        0, [](void* user_data) { *static_cast<bool*>(user_data) = true; });
    const StopOnExit stop(loop_);
    const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
    SendText(client.get(), "x");
    const int returned = result.get_future().get();
    EXPECT_THAT(Sockets(), SizeIs(2)) << "the connection and its listener";
    return returned;
  }

  // The user_data: the caller's on error.
  bool freed_ = false;
};

TEST_F(UpstreamFaultTest, ErrorOfSocketIsReturned) {
  sockaddr nowhere{};
  nowhere.sa_family = AF_MAX;
  EXPECT_EQ(CallInHandler([&](int fd) {
              return sockhost_socket_connect(fd, SOCK_STREAM, &nowhere, sizeof(nowhere), 0,
                                             &freed_);
            }),
            -EAFNOSUPPORT);
  EXPECT_FALSE(freed_);
}

TEST_F(UpstreamFaultTest, ErrorOfConnectIsReturned) {
  EXPECT_EQ(ConnectInHandler(*SocketAddress::Parse("unix:@nobody-listens-here")), -ECONNREFUSED);
  EXPECT_FALSE(freed_);
}

TEST_F(UpstreamFaultTest, MissingFdIsReturned) {
  EXPECT_EQ(CallInHandler([&](int fd) {
              const NoMoreFds limit;
              return Connect(fd, server_.address(), POLLOUT, &freed_);
            }),
            -EMFILE);
  EXPECT_FALSE(freed_);
}

TEST_F(UpstreamFaultTest, HostsLimitIsReturned) {
  EXPECT_EQ(CallInHandler([&](int fd) {
              table_.SetLimit(table_.size());
              return Connect(fd, server_.address(), POLLOUT, &freed_);
            }),
            -ENOSPC);
  EXPECT_FALSE(freed_);
}

TEST_F(UpstreamFaultTest, EndOfTheListenerIsReturned) {
  std::promise<void> entered;
  std::promise<void> deleted;
  std::promise<int> result;
  DefineTestService(
      [&](const Event& event) {
        entered.set_value();
        deleted.get_future().wait();
        result.set_value(Connect(event.event.fd, server_.address(), POLLOUT, &freed_));
      },
      0, [](void* user_data) { *static_cast<bool*>(user_data) = true; });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  entered.get_future().wait();
  std::promise<void> done;
  ASSERT_TRUE(listeners_.Delete("web", nullptr, true, [&] { done.set_value(); }).ok());
  deleted.set_value();
  EXPECT_EQ(result.get_future().get(), -ECANCELED);
  done.get_future().wait();
  EXPECT_FALSE(freed_);
  EXPECT_TRUE(Sockets().empty());
}

TEST_F(UpstreamSocketTest, RefusedConnectIsReportedAsAnError) {
  SocketAddress nobody;
  {
    const OtherServer gone;
    nobody = gone.address();
  }
  std::atomic<int> error{0};
  DefineTestService([&](const Event& event) {
    if (event.user_data == nullptr) {
      TakeAll(event.event.fd);
      Connect(event.event.fd, nobody, POLLOUT, &error);
      return;
    }
    int value = 0;
    socklen_t length = sizeof(value);
    getsockopt(event.event.fd, SOL_SOCKET, SO_ERROR, &value, &length);
    error = value;
    sockhost_socket_count_connect_failure(event.event.fd);
    sockhost_socket_close(event.event.fd);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(Becomes([&] { return error.load(); }, Eq(ECONNREFUSED)));
  EXPECT_TRUE(CounterBecomes("web", Counter::connect_failures, 1));
  EXPECT_TRUE(Becomes([&] { return Sockets(); }, SizeIs(2)));
}

// ---- What is freed can remove another socket --------------------------------------------

TEST_F(UpstreamSocketTest, FreedUserDataMayCloseAnotherSocket) {
  static std::atomic<int> other_fd;
  other_fd = -1;
  DefineTestService(
      [&](const Event& event) {
        TakeAll(event.event.fd);
        if (other_fd >= 0) return;
        other_fd = Connect(event.event.fd, server_.address(), POLLIN);
        sockhost_socket_set_user_data(event.event.fd, &other_fd);
        sockhost_socket_close(event.event.fd);
      },
      0, [](void*) { EXPECT_EQ(sockhost_socket_close(other_fd), 0); });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(WaitClosed(client.get()));
  const UniqueFd accepted = server_.Accept();
  EXPECT_TRUE(WaitClosed(accepted.get()));
}

// ---- Connections that a service keeps -----------------------------------------------------

TEST_F(UpstreamSocketTest, KeptConnectionStaysWhenItsPeerHasClosed) {
  std::atomic<int> ends{0};
  DefineTestService([&](const Event& event) {
    char byte;
    const ssize_t got = recv(event.event.fd, &byte, 1, 0);
    CountReceive(event.event.fd, got, 1, 0);
    if (got != 0) return;
    ++ends;
    sockhost_socket_set_events(event.event.fd, 0);
  }).keeps_connections = true;
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "xy");
  shutdown(client.get(), SHUT_WR);
  EXPECT_TRUE(Becomes([&] { return ends.load(); }, Eq(1)));
  FinishTurns(loop_);
  EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
}

TEST_F(UpstreamSocketTest, HangUpOfAPausedKeptConnectionIsReportedOnce) {
  std::atomic<int> hang_ups{0};
  DefineTestService([&](const Event& event) {
    if (event.event.revents & POLLHUP) ++hang_ups;
    sockhost_socket_set_events(event.event.fd, 0);
  }).keeps_connections = true;
  const StopOnExit stop(loop_);
  UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  ASSERT_TRUE(CounterBecomes("web", Counter::handler_calls, 1));
  ResetOnClose(client.get());
  client.reset();
  EXPECT_TRUE(Becomes([&] { return hang_ups.load(); }, Ge(1)));
  // Each of these is a turn in which it would be reported again.
  for (int i = 0; i < 10; ++i) FinishTurns(loop_);
  EXPECT_EQ(hang_ups, 1);
}

// ---- Timers -----------------------------------------------------------------------

TEST_F(UpstreamSocketTest, TimersRunOnTheServiceThreadInOrder) {
  const StopOnExit stop(loop_);
  std::vector<int> order;
  std::promise<void> done;
  RunOnServiceThread(loop_, [&] {
    RunAfter(absl::Milliseconds(2), [&] {
      order.push_back(2);
      done.set_value();
    });
    RunAfter(absl::Milliseconds(1), [&] { order.push_back(loop_.OnServiceThread() ? 1 : -1); });
  });
  done.get_future().wait();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST_F(UpstreamSocketTest, TimerIsNotEarly) {
  const StopOnExit stop(loop_);
  std::promise<absl::Duration> waited;
  RunOnServiceThread(loop_, [&] {
    RunAfter(absl::Milliseconds(5),
             [&, start = ServiceClock()] { waited.set_value(ServiceClock() - start); });
  });
  EXPECT_GE(waited.get_future().get(), absl::Milliseconds(5));
}

}  // namespace
}  // namespace sockhost
