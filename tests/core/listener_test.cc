#include "service_core/listener.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <zephyr/net/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "sockhost/fd_limit.h"
#include "sockhost/socket_service_ext.h"
#include "tests/core/listeners_fixture.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Eq;
using testing::Ge;
using testing::HasSubstr;
using testing::SizeIs;

class ListenerTest : public ListenersFixture {
 protected:
  ListenerTest() { fds_before_ = CountOpenFds(); }

  const int64_t& fds_before() const { return fds_before_; }

 private:
  int64_t fds_before_ = 0;
};

// ---- Connections ----------------------------------------------------------------

TEST_F(ListenerTest, ConnectionIsServed) {
  const Service& service = DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "hello");
  EXPECT_EQ(ReceiveText(client.get(), 5), "hello");
  FinishTurns(loop_);
  for (const CounterValues& values :
       {ListenerCounters("web"), service.counters.Read(), SocketOf(Role::kConnection).counters}) {
    EXPECT_EQ(values[Counter::receive_bytes], 5);
    EXPECT_EQ(values[Counter::transmit_bytes], 5);
    EXPECT_EQ(values[Counter::receive_messages], 1);
    EXPECT_EQ(values[Counter::transmit_messages], 1);
    EXPECT_EQ(values[Counter::handler_calls], 1);
  }
}

TEST_F(ListenerTest, EventOfAConnectionHoldsItsFdAndService) {
  std::promise<Event> seen;
  int calls = 0;
  const Service& service = DefineTestService([&](const Event& event) {
    TakeAll(event.event.fd);
    if (++calls == 1) seen.set_value(event);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  const Event event = seen.get_future().get();
  EXPECT_EQ(event.event.fd, SocketOf(Role::kConnection).fd);
  EXPECT_EQ(event.event.events, POLLIN);
  EXPECT_EQ(event.event.revents, POLLIN);
  EXPECT_EQ(event.svc, service.descriptor);
  EXPECT_EQ(event.user_data, nullptr);
}

TEST_F(ListenerTest, ServiceMaySpeakFirst) {
  DefineTestService(
      [](const Event& event) {
        EXPECT_EQ(event.event.revents, POLLOUT);
        SendText(event.event.fd, "banner");
        EXPECT_EQ(sockhost_socket_close(event.event.fd), 0);
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  EXPECT_EQ(ReceiveText(client.get(), 100), "banner");
}

TEST_F(ListenerTest, SnapshotOfAConnectionNamesItsListenerAndAddresses) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  const SocketSnapshot connection = SocketOf(Role::kConnection);
  EXPECT_EQ(*connection.listener, "web");
  EXPECT_EQ(*connection.service, "test");
  EXPECT_EQ(connection.protocol, Protocol::kTcp);
  EXPECT_EQ(connection.local, listener.effective_address);
  EXPECT_EQ(connection.remote, LocalAddress(client.get(), Protocol::kTcp));
  const SocketSnapshot listening = SocketOf(Role::kListening);
  EXPECT_EQ(*listening.listener, "web");
  EXPECT_EQ(listening.local, listener.effective_address);
  EXPECT_TRUE(listening.remote.empty());
}

TEST_F(ListenerTest, ManyWaitingConnectionsAreTakenInTurnsWithOthers) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  std::vector<UniqueFd> clients;
  {
    const ServiceThreadHold hold(loop_);
    for (int i = 0; i < 500; ++i) clients.push_back(ConnectTo(listener.effective_address));
  }
  ASSERT_TRUE(CounterBecomes("web", Counter::accepted_connections, 500));
  EXPECT_EQ(ListenerCounters("web")[Counter::max_accepts_per_wakeup], 16);
  EXPECT_EQ(ListenerCounters("web")[Counter::accept_errors], 0);
  EXPECT_EQ(ListenerCounters("web")[Counter::max_active_connections], 500);
}

TEST_F(ListenerTest, AskedForManyAreTakenInFewWakeUps) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.max_accepts_per_event = 64;
  const ListenerSnapshot listener = Create(std::move(config));
  std::vector<UniqueFd> clients;
  {
    const ServiceThreadHold hold(loop_);
    for (int i = 0; i < 500; ++i) clients.push_back(ConnectTo(listener.effective_address));
  }
  ASSERT_TRUE(CounterBecomes("web", Counter::accepted_connections, 500));
  EXPECT_EQ(ListenerCounters("web")[Counter::max_accepts_per_wakeup], 64);
}

TEST_F(ListenerTest, ServicesAreToldWhereTheHostListens) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const uint16_t port = Create(Config("web")).effective_address.port();
  const auto other = static_cast<uint16_t>(port ^ 1);
  const auto ask = [&](uint16_t asked) {
    int answer = -1;
    RunOnServiceThread(loop_, [&] { answer = sockhost_may_listen_on(asked); });
    return answer != 0;
  };
  EXPECT_TRUE(ask(port));
  EXPECT_FALSE(ask(other));
  Delete("web");
  EXPECT_FALSE(ask(port));
  EXPECT_TRUE(sockhost_may_listen_on(port));
}

// ---- The end of a connection ------------------------------------------------------

TEST_F(ListenerTest, HostClosesWhenThePeerHasClosed) {
  const Service& service = DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const int64_t fds_with_listener = CountOpenFds();
  UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
  EXPECT_EQ(service.counters.Get(Counter::active_connections), 1);
  client.reset();
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  EXPECT_EQ(service.counters.Get(Counter::active_connections), 0);
  EXPECT_TRUE(Becomes(CountOpenFds, Eq(fds_with_listener)));
  EXPECT_EQ(table_.size(), 1u);
  // Totals outlive their sockets.
  EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::receive_bytes], 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::max_active_connections], 1);
  EXPECT_EQ(service.counters.Get(Counter::receive_bytes), 1);
}

TEST_F(ListenerTest, ListeningSocketsOwnGaugeFallsToo) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  client.reset();
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  FinishTurns(loop_);
  const CounterValues values = SocketOf(Role::kListening).counters;
  EXPECT_EQ(values[Counter::active_connections], 0);
  EXPECT_EQ(values[Counter::accepted_connections], 1);
}

// The handler never sees the end itself: it reads no more than it is told of.
TEST_F(ListenerTest, EverythingIsReadBeforeTheHostCloses) {
  std::atomic<int> bytes{0};
  DefineTestService([&bytes](const Event& event) {
    char byte;
    if (recv(event.event.fd, &byte, 1, 0) == 1) ++bytes;
  });
  const StopOnExit stop(loop_);
  UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), std::string(1000, 'x'));
  client.reset();
  ASSERT_TRUE(CounterBecomes("web", Counter::accepted_connections, 1));
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  EXPECT_EQ(bytes, 1000);
}

TEST_F(ListenerTest, HandlerThatReadsOncePerCallSeesTheEnd) {
  for (const bool counts : {false, true}) {
    std::vector<ssize_t> results;
    DefineTestService([&](const Event& event) {
      char buffer[64];
      results.push_back(recv(event.event.fd, buffer, sizeof(buffer), 0));
      if (counts) CountReceive(event.event.fd, results.back(), 1, 0);
    });
    const ListenerSnapshot listener = Create(Config("web"));
    {
      // Data and end arrive together.
      const ServiceThreadHold hold(loop_);
      const UniqueFd client = ConnectTo(listener.effective_address);
      SendText(client.get(), "last words");
    }
    ASSERT_TRUE(CounterBecomes("web", Counter::accepted_connections, 1));
    ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
    RunOnServiceThread(loop_, [&] { EXPECT_THAT(results, ElementsAre(10, 0)); });
    Delete("web");
    registry_.Withdraw(*test_service_);
  }
  loop_.Stop();
}

TEST_F(ListenerTest, ResetConnectionIsClosed) {
  DefineTestService([](const Event&) {});
  const StopOnExit stop(loop_);
  UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  ResetOnClose(client.get());
  client.reset();
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
}

TEST_F(ListenerTest, FailedReceiveEndsTheConnection) {
  DefineTestService([](const Event& event) {
    errno = ETIMEDOUT;
    CountReceive(event.event.fd, -1, 0, 0);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_EQ(ListenerCounters("web")[Counter::receive_errors], 1);
  EXPECT_EQ(ListenerCounters("web").errors()[0], (ErrorCount{ETIMEDOUT, 1}));
}

TEST_F(ListenerTest, TimesOfTheLastReceiveAndTransmitAreKept) {
  DefineTestService([](const Event& event) {
    char byte;
    CountReceive(event.event.fd, recv(event.event.fd, &byte, 1, 0), 1, 0);
    CountTransmit(event.event.fd, send(event.event.fd, "y", 1, MSG_NOSIGNAL), 1, 1);
  });
  const StopOnExit stop(loop_);
  const int64_t before = absl::GetCurrentTimeNanos();
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  EXPECT_EQ(ListenerCounters("web")[Counter::last_receive_time], 0);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "y");
  FinishTurns(loop_);
  const int64_t after = absl::GetCurrentTimeNanos();
  const CounterValues values = ListenerCounters("web");
  for (const Counter time : {Counter::last_receive_time, Counter::last_transmit_time}) {
    EXPECT_GE(values[time], before) << CounterName(time);
    EXPECT_LE(values[time], after) << CounterName(time);
  }
}

TEST_F(ListenerTest, ServiceThatStillSendsAfterTheEndOfInputIsNotCutOff) {
  constexpr size_t kReply = 8 << 20;
  static size_t left = 0;
  left = kReply;
  DefineTestService([](const Event& event) {
    if (event.event.revents & POLLIN) {
      // One call at a time: the request and the end of input often come together.
      char buffer[64];
      if (recv(event.event.fd, buffer, sizeof(buffer), 0) == 0) {
        EXPECT_EQ(sockhost_socket_set_events(event.event.fd, POLLOUT), 0);
      }
      return;
    }
    const std::string block(std::min<size_t>(left, 65536), 'x');
    const ssize_t sent = send(event.event.fd, block.data(), block.size(), MSG_NOSIGNAL);
    CountTransmit(event.event.fd, sent, block.size(), 1);
    if (sent > 0) left -= static_cast<size_t>(sent);
    if (left == 0) {
      EXPECT_EQ(sockhost_socket_close(event.event.fd), 0);
    }
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "request");
  shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(ReceiveText(client.get(), kReply).size(), kReply);
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
}

TEST_F(ListenerTest, HandlerCannotCloseTheSocketOfItsListener) {
  std::atomic<int> refused{0};
  DefineTestService([&](const Event& event) {
    if (sockhost_socket_close(event.event.fd) == -EPERM) ++refused;
    if (zsock_close(event.event.fd) == -1 && errno == EPERM) ++refused;
    Echo(event);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web", "udp://127.0.0.1:0")).effective_address);
  for (int i = 1; i <= 2; ++i) {
    SendText(client.get(), "x");
    EXPECT_TRUE(Becomes([&] { return refused.load(); }, Eq(2 * i)));
  }
  EXPECT_EQ(SocketOf(Role::kDatagram).role, Role::kDatagram);
}

TEST_F(ListenerTest, HandlerClosesWhenItReturns) {
  std::atomic<bool> open_inside{false};
  DefineTestService([&](const Event& event) {
    EXPECT_EQ(sockhost_socket_close(event.event.fd), 0);
    open_inside = IsOpen(event.event.fd);
    EXPECT_EQ(sockhost_socket_close(event.event.fd), -ENOENT);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(open_inside);
}

TEST_F(ListenerTest, PausedReaderDoesNotSpinWhenThePeerHalfCloses) {
  std::atomic<int> calls{0};
  DefineTestService([&](const Event& event) {
    ++calls;
    EXPECT_EQ(sockhost_socket_set_events(event.event.fd, 0), 0);
  });
  const StopOnExit stop(loop_);
  UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  ASSERT_TRUE(Becomes([&] { return calls.load(); }, Eq(1)));
  shutdown(client.get(), SHUT_WR);
  FinishTurns(loop_);
  FinishTurns(loop_);
  const int64_t wakeups = loop_.Statistics().wakeups;
  FinishTurns(loop_);
  // Two turns for the test itself, each woken up once.
  EXPECT_LE(loop_.Statistics().wakeups, wakeups + 3);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
  // Reset: there is nothing left to wait for.
  ResetOnClose(client.get());
  client.reset();
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
}

TEST_F(ListenerTest, UserDataIsKeptAndFreedWithItsConnection) {
  static std::atomic<int> freed{0};
  freed = 0;
  std::atomic<int> second_calls{0};
  DefineTestService(
      [&](const Event& event) {
        Echo(event);
        if (!event.user_data) {
          EXPECT_EQ(sockhost_socket_set_user_data(event.event.fd, new int(17)), 0);
        } else {
          EXPECT_EQ(*static_cast<int*>(event.user_data), 17);
          ++second_calls;
        }
      },
      0,
      [](void* user_data) {
        delete static_cast<int*>(user_data);
        ++freed;
      });
  const StopOnExit stop(loop_);
  UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  for (int i = 0; i < 2; ++i) {
    SendText(client.get(), "x");
    EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  }
  ASSERT_TRUE(Becomes([&] { return second_calls.load(); }, Eq(1)));
  EXPECT_EQ(freed, 0);
  client.reset();
  EXPECT_TRUE(Becomes([] { return freed.load(); }, Eq(1)));
}

// A listener is deleted while a handler frees its own state: the host must learn of it.
TEST_F(ListenerTest, UserDataThatAHandlerFreesWhileItsSocketIsRemovedIsNotFreedAgain) {
  static std::atomic<int> freed{0};
  freed = 0;
  std::promise<void> removed;
  DefineTestService(
      [&](const Event& event) {
        auto state = std::make_unique<int>(17);
        EXPECT_EQ(sockhost_socket_set_user_data(event.event.fd, state.get()), 0);
        std::thread([this] {
          EXPECT_TRUE(listeners_.Delete("web", nullptr, /*force=*/true, {}).ok());
        }).join();
        state.reset();
        EXPECT_EQ(sockhost_socket_set_user_data(event.event.fd, nullptr), 0);
        removed.set_value();
      },
      0, [](void*) { ++freed; });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  removed.get_future().wait();
  EXPECT_TRUE(WaitClosed(client.get()));
  FinishTurns(loop_);
  EXPECT_EQ(freed, 0);
}

TEST_F(ListenerTest, ExceptionOfAHandlerEndsItsConnectionOnly) {
  const LogLines log;
  DefineTestService([](const Event& event) {
    char byte = 0;
    CountReceive(event.event.fd, recv(event.event.fd, &byte, 1, 0), 1, 0);
    if (byte == '!') throw std::runtime_error("bad byte");
    if (byte == '?') throw 7;
    SendText(event.event.fd, "ok");
  });
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd good = ConnectTo(listener.effective_address);
  const UniqueFd bad = ConnectTo(listener.effective_address);
  const UniqueFd odd = ConnectTo(listener.effective_address);
  SendText(bad.get(), "!");
  EXPECT_TRUE(WaitClosed(bad.get()));
  SendText(odd.get(), "?");
  EXPECT_TRUE(WaitClosed(odd.get()));
  SendText(good.get(), "x");
  EXPECT_EQ(ReceiveText(good.get(), 2), "ok");
  EXPECT_EQ(ListenerCounters("web")[Counter::handler_exceptions], 2);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("test"), HasSubstr("test.cc:1"))));
}

// The service thread is taking connections one after another when all are closed.
TEST_F(ListenerTest, ConnectionsThatAreTakenWhileADrainEndsAreClosed) {
  constexpr int kClients = 64;
  // By then several are taken at a time, and this one is not the last of them.
  constexpr int kWhenItIsDrained = 13;
  std::atomic<int> calls{0};
  std::promise<void> reached;
  std::promise<void> drained;
  DefineTestService(
      [&](const Event& event) {
        EXPECT_EQ(sockhost_socket_set_events(event.event.fd, 0), 0);
        if (++calls != kWhenItIsDrained) return;
        reached.set_value();
        drained.get_future().wait();
      },
      POLLOUT);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  ASSERT_TRUE(listeners_.Pause("web").ok());
  std::vector<UniqueFd> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(ConnectTo(listener.effective_address));
  ASSERT_TRUE(listeners_.Resume("web").ok());
  reached.get_future().wait();
  ASSERT_TRUE(listeners_.Drain("web", absl::ZeroDuration()).ok());
  EXPECT_TRUE(Becomes([&] { return Sockets().size(); }, Eq(0u)));
  drained.set_value();
  for (const UniqueFd& client : clients) EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  EXPECT_EQ(ListenerCounters("web")[Counter::accept_errors], 0);
}

// Those that go at the same time are closed all the same, and what waits for that goes on.
TEST_F(ListenerTest, ExceptionsFromFreeingUserDataAreCountedAndLogged) {
  const LogLines log;
  static int freed;
  freed = 0;
  const auto free_user_data = [](void*) {
    if (++freed == 1) throw std::runtime_error("cannot free");
    if (freed == 2) throw 7;
    if (freed == 3) throw std::bad_alloc();
  };
  Service& service = DefineTestService(
      [](const Event& event) {
        sockhost_socket_set_user_data(event.event.fd, &freed);
        Echo(event);
      },
      0, free_user_data);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(ConnectTo(listener.effective_address));
    SendText(clients.back().get(), "x");
  }
  ASSERT_TRUE(CounterBecomes("web", Counter::handler_calls, 4));
  Delete("web");
  EXPECT_EQ(freed, 4);
  for (const UniqueFd& client : clients) EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_EQ(service.counters.Get(Counter::handler_exceptions), 3);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("cannot free"), HasSubstr("test.cc:1"))));
}

// ---- Limits -----------------------------------------------------------------------

TEST_F(ListenerTest, OneConnectionTooManyIsClosedAtOnceAndCounted) {
  const LogLines log;
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.max_connections = 2;
  const ListenerSnapshot listener = Create(config);
  UniqueFd first = ConnectTo(listener.effective_address);
  const UniqueFd second = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 2));
  const UniqueFd third = ConnectTo(listener.effective_address);
  EXPECT_TRUE(WaitClosed(third.get()));
  EXPECT_EQ(ListenerCounters("web")[Counter::rejected_connections], 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 2);
  EXPECT_EQ(ListenerCounters("web")[Counter::max_active_connections], 2);
  const std::string peer = LocalAddress(third.get(), Protocol::kTcp).ToString();
  EXPECT_THAT(log.lines(), ElementsAre(AllOf(HasSubstr("listener=web"), HasSubstr(peer),
                                             HasSubstr("max_connections=2"))));
  // Within the second, most likely; then it says how many were left out.
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(WaitClosed(ConnectTo(listener.effective_address).get()));
  }
  EXPECT_EQ(ListenerCounters("web")[Counter::rejected_connections], 21);
  EXPECT_LT(log.lines().size(), 20u);

  first.reset();
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  const UniqueFd fourth = ConnectTo(listener.effective_address);
  SendText(fourth.get(), "x");
  EXPECT_EQ(ReceiveText(fourth.get(), 1), "x");
}

TEST_F(ListenerTest, AcceptingPausesAtTheFdLimitAndResumesByItself) {
  const LogLines log;
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const auto started = std::chrono::steady_clock::now();
  UniqueFd client = NewSocket(AF_INET, SOCK_STREAM);
  {
    const NoMoreFds limit;
    sockaddr_storage storage;
    const socklen_t length = listener.effective_address.ToSockaddr(storage);
    connect(client.get(), reinterpret_cast<sockaddr*>(&storage), length);
    ASSERT_TRUE(Becomes([&] { return ListenerCounters("web")[Counter::accept_pauses]; }, Ge(3)));
    ASSERT_TRUE(Becomes([&] { return listeners_.Find("web")->state; }, Eq(ListenerState::kPaused)));
    EXPECT_THAT(listeners_.Find("web")->state_reason, HasSubstr("EMFILE"));
    EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 0);
  }
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  const CounterValues values = ListenerCounters("web");
  EXPECT_TRUE(Becomes([&] { return listeners_.Find("web")->state; }, Eq(ListenerState::kActive)));
  EXPECT_EQ(listeners_.Find("web")->state_reason, "");
  EXPECT_EQ(values[Counter::accept_errors], values[Counter::accept_pauses]);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started)
          .count();
  // Idle meanwhile: every pause lasts 100 ms, and is logged once a second.
  EXPECT_LE(values[Counter::accept_pauses], 10 * (seconds + 1));
  EXPECT_GE(log.lines().size(), 1u);
  EXPECT_LE(log.lines().size(), static_cast<size_t>(seconds) + 1);
  EXPECT_THAT(log.lines(), Each(HasSubstr("web")));
}

TEST_F(ListenerTest, ServedConnectionsGoOnWhileAcceptingPauses) {
  const LogLines log;
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd served = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  const UniqueFd waiting = NewSocket(AF_INET, SOCK_STREAM);
  const NoMoreFds limit;
  sockaddr_storage storage;
  const socklen_t length = listener.effective_address.ToSockaddr(storage);
  connect(waiting.get(), reinterpret_cast<sockaddr*>(&storage), length);
  ASSERT_TRUE(Becomes([&] { return ListenerCounters("web")[Counter::accept_pauses]; }, Ge(1)));
  SendText(served.get(), "x");
  EXPECT_EQ(ReceiveText(served.get(), 1), "x");
}

TEST_F(ListenerTest, AcceptingPausesAtTheSocketLimit) {
  const LogLines log;
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  table_.SetLimit(2);
  UniqueFd first = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  const UniqueFd second = ConnectTo(listener.effective_address);
  ASSERT_TRUE(Becomes([&] { return ListenerCounters("web")[Counter::accept_pauses]; }, Ge(1)));
  EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 1);
  first.reset();
  SendText(second.get(), "x");
  EXPECT_EQ(ReceiveText(second.get(), 1), "x");
}

TEST_F(ListenerTest, PausedListenerCanBeDeleted) {
  const LogLines log;
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  table_.SetLimit(1);
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(Becomes([&] { return ListenerCounters("web")[Counter::accept_pauses]; }, Ge(1)));
  Delete("web");
  EXPECT_EQ(table_.size(), 0u);
  table_.SetLimit(1000);
  // The end of the pause finds the next one in its slot, and leaves it alone.
  Create(Config("web"));
  EXPECT_EQ(listeners_.Find("web")->state, ListenerState::kActive);
}

// ---- Datagrams --------------------------------------------------------------------

TEST_F(ListenerTest, DatagramSocketIsServed) {
  std::atomic<int> is_datagram{-1};
  DefineTestService([&](const Event& event) {
    is_datagram = sockhost_socket_is_datagram(event.event.fd);
    char buffer[64];
    sockaddr_storage from;
    socklen_t length = sizeof(from);
    const ssize_t got = recvfrom(event.event.fd, buffer, sizeof(buffer), 0,
                                 reinterpret_cast<sockaddr*>(&from), &length);
    CountReceive(event.event.fd, got, 1, 0);
    const auto size = static_cast<size_t>(got);
    CountTransmit(
        event.event.fd,
        sendto(event.event.fd, buffer, size, 0, reinterpret_cast<sockaddr*>(&from), length), size,
        1);
  });
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("dns", "udp://127.0.0.1:0"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "query");
  EXPECT_EQ(ReceiveText(client.get(), 5), "query");
  EXPECT_EQ(is_datagram, 1);
  FinishTurns(loop_);
  EXPECT_EQ(ListenerCounters("dns")[Counter::receive_bytes], 5);
  EXPECT_EQ(ListenerCounters("dns")[Counter::transmit_messages], 1);
  const SocketSnapshot socket = SocketOf(Role::kDatagram);
  EXPECT_EQ(socket.protocol, Protocol::kUdp);
  EXPECT_EQ(*socket.listener, "dns");
  EXPECT_EQ(socket.local, listener.effective_address);
}

TEST_F(ListenerTest, EmptyDatagramIsAMessageAndNotAnEnd) {
  std::atomic<int> calls{0};
  DefineTestService([&](const Event& event) {
    char buffer[64];
    const ssize_t got = recv(event.event.fd, buffer, sizeof(buffer), 0);
    CountReceive(event.event.fd, got, 1, 0);
    ++calls;
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("dns", "udp://127.0.0.1:0")).effective_address);
  SendText(client.get(), "");
  ASSERT_TRUE(Becomes([&] { return calls.load(); }, Eq(1)));
  SendText(client.get(), "x");
  ASSERT_TRUE(Becomes([&] { return calls.load(); }, Eq(2)));
  FinishTurns(loop_);
  EXPECT_EQ(ListenerCounters("dns")[Counter::receive_messages], 2);
  EXPECT_EQ(ListenerCounters("dns")[Counter::receive_bytes], 1);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ListenerTest, DroppedDatagramsAreCounted) {
  DefineTestService([](const Event& event) {
    TakeAll(event.event.fd);
    sockhost_socket_count_dropped(event.event.fd, 3, SOCKHOST_DROP_LOOP);
    sockhost_socket_count_dropped(-1, 100, SOCKHOST_DROP_OTHER);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("dns", "udp://127.0.0.1:0")).effective_address);
  SendText(client.get(), "x");
  EXPECT_TRUE(CounterBecomes("dns", Counter::dropped_messages, 3));
}

// ---- Traffic counters ---------------------------------------------------------------

TEST_F(ListenerTest, FailuresAndShortCallsAreCounted) {
  DefineTestService([](const Event& event) {
    const int fd = event.event.fd;
    TakeAll(fd);
    const auto failed = [](int error) {
      errno = error;
      return ssize_t{-1};
    };
    CountReceive(fd, failed(EAGAIN), 0, 0);
    CountReceive(fd, failed(EINTR), 0, 0);
    CountTransmit(fd, failed(EAGAIN), 10, 0);
    CountTransmit(fd, failed(EINTR), 10, 0);
    CountTransmit(fd, failed(EPIPE), 10, 0);
    EXPECT_EQ(errno, EPIPE);
    CountTransmit(fd, 4, 10, 1);
    CountReceive(fd, 100, 2, 1);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  SendText(client.get(), "x");
  ASSERT_TRUE(CounterBecomes("web", Counter::receive_bytes, 100));
  const CounterValues values = ListenerCounters("web");
  EXPECT_EQ(values[Counter::would_block], 2);
  EXPECT_EQ(values[Counter::receive_errors], 0);
  EXPECT_EQ(values[Counter::transmit_errors], 1);
  EXPECT_EQ(values[Counter::short_writes], 1);
  EXPECT_EQ(values[Counter::transmit_bytes], 4);
  EXPECT_EQ(values[Counter::receive_messages], 2);
  EXPECT_EQ(values[Counter::truncated_messages], 1);
}

// ---- What handlers may do, and to what ------------------------------------------------

TEST_F(ListenerTest, SocketFunctionsAreForTheServiceThread) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  const int fd = SocketOf(Role::kConnection).fd;
  EXPECT_EQ(sockhost_socket_set_events(fd, POLLOUT), -ENOENT);
  EXPECT_EQ(sockhost_socket_set_user_data(fd, nullptr), -ENOENT);
  EXPECT_EQ(sockhost_socket_close(fd), -ENOENT);
  EXPECT_EQ(sockhost_socket_is_datagram(fd), 0);
  EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
}

TEST_F(ListenerTest, SocketFunctionsAreForSocketsOfListeners) {
  std::promise<std::vector<int>> results;
  HandlerCalls calls;
  calls.action = [&](const Event& event) {
    const int fd = event.event.fd;
    TakeAll(fd);
    results.set_value({sockhost_socket_set_events(fd, POLLOUT),
                       sockhost_socket_set_user_data(fd, nullptr), sockhost_socket_close(fd),
                       sockhost_socket_close(-1), sockhost_socket_close(ClosedFd())});
  };
  const auto service = NewRecordingService();
  const UniqueFd fd = EventFd(false);
  const StopOnExit stop(loop_);
  Register(*service, fd.get(), calls);
  eventfd_write(fd.get(), 1);
  EXPECT_THAT(results.get_future().get(), Each(-ENOENT));
}

TEST_F(ListenerTest, SocketFunctionsAreForTheHandlersOwnService) {
  DefineTestService(Echo);
  std::promise<std::vector<int>> results;
  HandlerCalls calls;
  int foreign = -1;
  calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    results.set_value({sockhost_socket_set_events(foreign, POLLOUT),
                       sockhost_socket_set_user_data(foreign, nullptr),
                       sockhost_socket_close(foreign)});
  };
  const auto other_service = NewRecordingService();
  const UniqueFd fd = EventFd(false);
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  foreign = SocketOf(Role::kConnection).fd;
  Register(*other_service, fd.get(), calls);
  eventfd_write(fd.get(), 1);
  EXPECT_THAT(results.get_future().get(), Each(-ENOENT));
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
}

// Both events are in one batch: the one of the connection that the other handler
// has closed is dropped.
TEST_F(ListenerTest, ConnectionClosedByAnotherHandlerOfItsServiceIsNotServed) {
  std::vector<int> served;
  std::vector<int> connections;
  DefineTestService([&](const Event& event) {
    TakeAll(event.event.fd);
    served.push_back(event.event.fd);
    for (const int fd : connections) {
      // Once: the end of the survivor is an event too.
      if (fd != event.event.fd && served.size() == 1) {
        EXPECT_EQ(sockhost_socket_close(fd), 0);
      }
    }
  });
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd first = ConnectTo(listener.effective_address);
  const UniqueFd second = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 2));
  {
    const ServiceThreadHold hold(loop_);
    for (const SocketSnapshot& socket : Sockets()) {
      if (socket.role == Role::kConnection) connections.push_back(socket.fd);
    }
    SendText(first.get(), "x");
    SendText(second.get(), "x");
    for (const int fd : connections) ASSERT_TRUE(WaitReadable(fd));
  }
  FinishTurns(loop_);
  RunOnServiceThread(loop_, [&] { EXPECT_THAT(served, SizeIs(1)); });
  EXPECT_EQ(loop_.Statistics().stale_events, 1);
  EXPECT_EQ(ListenerCounters("web")[Counter::active_connections], 1);
}

TEST_F(ListenerTest, NothingIsLeftOpenAfterTheListenerIsGone) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  {
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(ConnectTo(listener.effective_address));
    ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 20));
    Delete("web");
    for (const UniqueFd& client : clients) EXPECT_TRUE(WaitClosed(client.get()));
  }
  EXPECT_EQ(CountOpenFds(), fds_before());
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(test_service_->counters.Get(Counter::active_connections), 0);
  EXPECT_EQ(test_service_->counters.Get(Counter::accepted_connections), 20);
}

}  // namespace
}  // namespace sockhost
