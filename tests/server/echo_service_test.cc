// The echo service (RFC 862).
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <thread>

#include "tests/core/eventually.h"
#include "tests/core/sockets.h"
#include "tests/server/built_in_service_fixture.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Gt;

constexpr int64_t kMostKept = 64 * 1024;

class EchoServiceTest : public BuiltInServiceTest {
 protected:
  // A peer that takes little at a time.
  UniqueFd ConnectSlow(const SocketAddress& address) {
    UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
    const int small = 4096;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    sockaddr_storage storage;
    const socklen_t length = address.ToSockaddr(storage);
    connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length);
    pollfd connected{fd.get(), POLLOUT, 0};
    EXPECT_EQ(poll(&connected, 1, -1), 1);
    return fd;
  }

  // `message` may be longer than what the kernel holds.
  static void SendWhileReading(int fd, const std::string& message) {
    std::thread sender([fd, &message] { SendText(fd, message); });
    EXPECT_EQ(ReceiveText(fd, message.size()), message);
    sender.join();
  }

  bool IsRead() const {
    const auto connection = Connection();
    return !connection || connection->events == POLLIN;
  }

  // Sends until the service does not read any more; returns what was sent.
  std::string Stall(int fd) {
    std::string sent;
    std::string chunk(kMostKept, '\0');
    while (IsRead()) {
      for (size_t i = 0; i < chunk.size(); ++i)
        chunk[i] = static_cast<char>((sent.size() + i) * 31);
      const ssize_t taken = send(fd, chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (taken > 0) sent.append(chunk, 0, static_cast<size_t>(taken));
      if (taken < 0) std::this_thread::yield();
    }
    return sent;
  }
};

TEST_F(EchoServiceTest, StreamComesBack) {
  const UniqueFd peer = ConnectTo(Listen("echo", "tcp://127.0.0.1:0"));
  for (const size_t size : {1u, 4096u, 100'000u}) {
    const std::string message(size, 'x');
    SendText(peer.get(), message);
    EXPECT_EQ(ReceiveText(peer.get(), size), message);
  }
}

// Without a further wait of the service thread for each.
TEST_F(EchoServiceTest, MuchThatWaitsIsReadSeveralTimesInOneCall) {
  const UniqueFd peer = ConnectTo(Listen("echo", "tcp://127.0.0.1:0"));
  const std::string message(static_cast<size_t>(8 * kMostKept), 'x');
  // How much waits when the service thread looks is up to the kernel.
  const auto reads_beyond_one_a_call = [&] {
    SendWhileReading(peer.get(), message);
    return Count(Counter::receive_messages) - Count(Counter::poll_in_events);
  };
  EXPECT_TRUE(Becomes(reads_beyond_one_a_call, Gt(0)));
}

TEST_F(EchoServiceTest, PeerThatClosesGetsTheRestAndTheEnd) {
  const UniqueFd peer = ConnectTo(Listen("echo", "tcp://127.0.0.1:0"));
  SendText(peer.get(), "last words");
  shutdown(peer.get(), SHUT_WR);
  EXPECT_EQ(ReceiveText(peer.get(), 10), "last words");
  EXPECT_TRUE(WaitClosed(peer.get()));
  EXPECT_TRUE(Becomes([this] { return host_.sockets(); }, Eq(1u)));
}

TEST_F(EchoServiceTest, PeerThatDoesNotReadIsNotReadAndLosesNothing) {
  const UniqueFd peer = ConnectSlow(Listen("echo", "tcp://127.0.0.1:0"));
  const std::string sent = Stall(peer.get());
  const CounterValues stalled = Connection()->counters;
  EXPECT_LE(stalled[Counter::receive_bytes] - stalled[Counter::transmit_bytes], kMostKept);
  EXPECT_GT(stalled[Counter::receive_bytes], stalled[Counter::transmit_bytes]);

  EXPECT_TRUE(ReceiveText(peer.get(), sent.size()) == sent) << "the answer differs";
  EXPECT_TRUE(Becomes([this] { return IsRead(); }, Eq(true)));
  SendText(peer.get(), "on");
  EXPECT_EQ(ReceiveText(peer.get(), 2), "on");
}

TEST_F(EchoServiceTest, PeerThatIsGoneWhileItIsNotReadIsForgotten) {
  UniqueFd peer = ConnectSlow(Listen("echo", "tcp://127.0.0.1:0"));
  Stall(peer.get());
  ResetOnClose(peer.get());
  peer.reset();
  EXPECT_TRUE(Becomes([this] { return host_.sockets(); }, Eq(1u)));
  EXPECT_TRUE(Becomes([this] { return Count(Counter::active_connections); }, Eq(0)));
}

// What was kept for it is freed: a leak checker sees it.
TEST_F(EchoServiceTest, StopFreesWhatIsKeptForPeers) {
  const UniqueFd peer = ConnectSlow(Listen("echo", "tcp://127.0.0.1:0"));
  Stall(peer.get());
  host_.Stop();
  EXPECT_EQ(host_.sockets(), 0u);
}

TEST_F(EchoServiceTest, DatagramsComeBack) {
  const UniqueFd peer = ConnectTo(Listen("echo", "udp://127.0.0.1:0"));
  for (const size_t size : {0u, 1u, 1472u, 65507u}) {
    const std::string message(size, 'x');
    SendText(peer.get(), message);
    std::string answer(70'000, '\0');
    ASSERT_TRUE(WaitReadable(peer.get()));
    const ssize_t got = recv(peer.get(), answer.data(), answer.size(), 0);
    ASSERT_EQ(got, static_cast<ssize_t>(size));
    EXPECT_TRUE(answer.substr(0, size) == message);
  }
  EXPECT_TRUE(Becomes([this] { return Count(Counter::handler_calls); }, Eq(4)));
  EXPECT_EQ(Count(Counter::receive_messages), 4);
  EXPECT_EQ(Count(Counter::transmit_messages), 4);
  EXPECT_EQ(Count(Counter::truncated_messages), 0);
  EXPECT_EQ(Count(Counter::dropped_messages), 0);
}

}  // namespace
}  // namespace sockhost
