// Sockets that are polled for what arrives, because their handler reads all that is there:
// nothing may be left unreported.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <zephyr/net/socket.h>

#include <array>
#include <atomic>
#include <string>

#include "sockhost/socket_service_ext.h"
#include "tests/core/listeners_fixture.h"

namespace sockhost {
namespace {

using testing::Eq;

class ArrivalsPollingTest : public ListenersFixture {
 protected:
  // A service that echoes, with at most `read_size_` bytes for each call.
  void DefineEcho() {
    DefineTestService([this](const Event& event) {
      char buffer[256];
      const int fd = event.event.fd;
      const ssize_t got = zsock_recv(fd, buffer, read_size_, 0);
      if (got > 0) zsock_send(fd, buffer, static_cast<size_t>(got), 0);
    });
  }

  UniqueFd Connect() { return ConnectTo(Create(Config("web")).effective_address); }

  static void Exchange(int client, const std::string& text) {
    SendText(client, text);
    ASSERT_EQ(ReceiveText(client, text.size()), text);
  }

  // Goes on until the socket is polled for arrivals.
  void BecomeDrained(int client) {
    for (int i = 0; i < 100; ++i) Exchange(client, "ping");
    ASSERT_EQ(PollingOf(Role::kConnection), Polling::kArrivals);
  }

  Polling PollingOf(Role role) {
    FinishTurns(loop_);
    return table_.SlotOfFd(SocketOf(role).fd)->polling.load();
  }

  // Between two handler calls, so that all of it is there before the next one.
  void AtOnce(std::function<void()> task) { RunOnServiceThread(loop_, std::move(task)); }

  std::atomic<size_t> read_size_{256};
};

TEST_F(ArrivalsPollingTest, HandlerThatLeavesDataIsCalledAgain) {
  DefineEcho();
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  BecomeDrained(client.get());
  read_size_ = 3;
  Exchange(client.get(), "more than one call can take");
  EXPECT_EQ(PollingOf(Role::kConnection), Polling::kLevel);
  read_size_ = 256;
  BecomeDrained(client.get());
}

TEST_F(ArrivalsPollingTest, HandlerThatNeverReadsAllStaysLevelTriggered) {
  DefineEcho();
  read_size_ = 1;
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  for (int i = 0; i < 20; ++i) Exchange(client.get(), "ab");
  EXPECT_EQ(PollingOf(Role::kConnection), Polling::kLevel);
}

TEST_F(ArrivalsPollingTest, EndThatComesWithDataIsSeen) {
  DefineEcho();
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  BecomeDrained(client.get());
  AtOnce([&] {
    SendText(client.get(), "last words");
    shutdown(client.get(), SHUT_WR);
  });
  EXPECT_EQ(ReceiveText(client.get(), 100), "last words");
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
}

TEST_F(ArrivalsPollingTest, ResetIsSeen) {
  DefineEcho();
  const StopOnExit stop(loop_);
  UniqueFd client = Connect();
  BecomeDrained(client.get());
  ResetOnClose(client.get());
  client.reset();
  EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
}

// What arrived while the service did not want to hear of it.
TEST_F(ArrivalsPollingTest, PauseOfTheServiceHidesNothing) {
  DefineEcho();
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  BecomeDrained(client.get());
  const int fd = SocketOf(Role::kConnection).fd;
  AtOnce([&] {
    table_.SetEvents(*table_.SlotOfFd(fd), 0);
    SendText(client.get(), "hello?");
  });
  FinishTurns(loop_);
  AtOnce([&] { table_.SetEvents(*table_.SlotOfFd(fd), POLLIN); });
  EXPECT_EQ(ReceiveText(client.get(), 6), "hello?");
}

TEST_F(ArrivalsPollingTest, DatagramsBeyondABatchAreReported) {
  DefineTestService([](const Event& event) {
    std::array<mmsghdr, 2> messages{};
    std::array<iovec, 2> parts;
    std::array<std::array<char, 64>, 2> buffers;
    std::array<sockaddr_storage, 2> peers;
    for (size_t i = 0; i < messages.size(); ++i) {
      parts[i] = {buffers[i].data(), buffers[i].size()};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &peers[i];
      messages[i].msg_hdr.msg_namelen = sizeof(peers[i]);
    }
    const int got = sockhost_recvmmsg(event.event.fd, messages.data(), 2, MSG_DONTWAIT);
    for (int i = 0; i < got; ++i) parts[i].iov_len = messages[i].msg_len;
    if (got > 0) sockhost_sendmmsg(event.event.fd, messages.data(), static_cast<unsigned>(got), 0);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("dns", "udp://127.0.0.1:0")).effective_address);
  for (int i = 0; i < 100; ++i) Exchange(client.get(), "ping");
  ASSERT_EQ(PollingOf(Role::kDatagram), Polling::kArrivals);
  AtOnce([&] {
    for (const char* text : {"a", "b", "c", "d", "e"}) SendText(client.get(), text);
  });
  EXPECT_EQ(ReceiveText(client.get(), 5), "abcde");
}

// ---- Connections that their service keeps -------------------------------------------------

class KeptArrivalsTest : public ArrivalsPollingTest {
 protected:
  // Echoes, and ends when the peer has ended.
  void DefineKeptEcho() {
    DefineTestService([this](const Event& event) {
      char buffer[256];
      const int fd = event.event.fd;
      const ssize_t got = zsock_recv(fd, buffer, read_size_, 0);
      if (got > 0) zsock_send(fd, buffer, static_cast<size_t>(got), 0);
      if (got == 0) {
        ++ends_;
        sockhost_socket_close(fd);
      }
    }).keeps_connections = true;
  }

  std::atomic<int> ends_{0};
};

TEST_F(KeptArrivalsTest, WaitForArrivalsFromTheBeginning) {
  DefineKeptEcho();
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  Exchange(client.get(), "ping");
  EXPECT_EQ(PollingOf(Role::kConnection), Polling::kArrivals);
}

TEST_F(KeptArrivalsTest, WhatIsLeftIsReportedAgain) {
  DefineKeptEcho();
  read_size_ = 3;
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  Exchange(client.get(), "more than one call can take");
}

TEST_F(KeptArrivalsTest, EndThatComesWithDataIsSeen) {
  DefineKeptEcho();
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  Exchange(client.get(), "ping");
  AtOnce([&] {
    SendText(client.get(), "last words");
    shutdown(client.get(), SHUT_WR);
  });
  EXPECT_EQ(ReceiveText(client.get(), 100), "last words");
  EXPECT_EQ(ends_, 1);
}

// A service may have more to send when its peer has ended; it hears of a reset all the same.
TEST_F(KeptArrivalsTest, EndIsReportedOnceAndTheResetThatFollows) {
  std::atomic<int> resets{0};
  DefineTestService([&](const Event& event) {
    if (event.event.revents & POLLERR) {
      ++resets;
      sockhost_socket_close(event.event.fd);
    } else if (char byte; zsock_recv(event.event.fd, &byte, 1, 0) == 0) {
      ++ends_;
      sockhost_socket_set_events(event.event.fd, 0);
    }
  }).keeps_connections = true;
  const StopOnExit stop(loop_);
  UniqueFd client = Connect();
  shutdown(client.get(), SHUT_WR);
  ASSERT_TRUE(Becomes([&] { return ends_.load(); }, Eq(1)));
  for (int i = 0; i < 10; ++i) FinishTurns(loop_);
  EXPECT_EQ(ends_, 1);
  ResetOnClose(client.get());
  client.reset();
  EXPECT_TRUE(Becomes([&] { return resets.load(); }, Eq(1)));
}

// ---- Connections of either kind -----------------------------------------------------------

// Parameter: whether the service keeps its connections.
class EitherArrivalsTest : public KeptArrivalsTest, public testing::WithParamInterface<bool> {
 protected:
  void DefineEitherEcho() { GetParam() ? DefineKeptEcho() : DefineEcho(); }
};

// tcp(7): a receive call ends at the urgent byte, however much follows.
TEST_P(EitherArrivalsTest, UrgentDataHidesNothing) {
  DefineEitherEcho();
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  BecomeDrained(client.get());
  AtOnce([&] {
    SendText(client.get(), "before");
    ASSERT_EQ(send(client.get(), "!", 1, MSG_OOB), 1);
    SendText(client.get(), "after");
  });
  EXPECT_EQ(ReceiveText(client.get(), 11), "beforeafter");
}

INSTANTIATE_TEST_SUITE_P(, EitherArrivalsTest, testing::Bool(), [](const auto& tested) {
  return std::string(tested.param ? "Kept" : "Plain");
});

// ---- Sockets that a program registers -----------------------------------------------------

// A program may read its own fd in any way, on any thread.
TEST_F(ArrivalsPollingTest, RegisteredSocketsStayLevelTriggered) {
  const SocketPair pair = TcpPair();
  const std::shared_ptr<Service> service = NewServiceWith(
      [](net_socket_service_event* event) {
        char buffer[64];
        const ssize_t got = zsock_recv(event->event.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (got > 0) zsock_send(event->event.fd, buffer, static_cast<size_t>(got), 0);
      },
      1);
  const StopOnExit stop(loop_);
  ASSERT_EQ(table_.AddOne(*service, pair.ours.get(), POLLIN, nullptr), 0);
  for (int i = 0; i < 100; ++i) Exchange(pair.peer.get(), "ping");
  EXPECT_EQ(PollingOf(Role::kRegistered), Polling::kLevel);
}

}  // namespace
}  // namespace sockhost
