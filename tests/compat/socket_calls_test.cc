#define SOCKHOST_PLAIN_POSIX
#include <fcntl.h>
#include <unistd.h>
#include <zephyr/net/socket.h>

#include <cerrno>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service_core/unique_fd.h"
#include "sockhost/socket_address.h"
#include "tests/compat/traffic_record.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Text(ssize_t size, const char* buffer) {
  return size < 0 ? "error" : std::string(buffer, static_cast<size_t>(size));
}

msghdr MessageOf(iovec& part) {
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return message;
}

// ---- What is reported

class SocketCallsTest : public testing::Test {
 protected:
  void SetUp() override { Traffic() = {}; }
};

TEST_F(SocketCallsTest, ReceivesAreReported) {
  const SocketPair pair = UnixPair(SOCK_SEQPACKET);
  const int fd = pair.ours.get();
  for (const char* text : {"a", "bb", "ccc", "dddd"}) SendText(pair.peer.get(), text);

  char buffer[8];
  EXPECT_EQ(Text(zsock_recv(fd, buffer, sizeof(buffer), 0), buffer), "a");
  EXPECT_EQ(Text(zsock_recvfrom(fd, buffer, sizeof(buffer), 0, nullptr, nullptr), buffer), "bb");
  iovec part = {buffer, sizeof(buffer)};
  msghdr message = MessageOf(part);
  EXPECT_EQ(Text(zsock_recvmsg(fd, &message, 0), buffer), "ccc");
  EXPECT_EQ(Text(sockhost_read(fd, buffer, sizeof(buffer)), buffer), "dddd");
  EXPECT_EQ(zsock_recv(fd, buffer, sizeof(buffer), ZSOCK_MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);

  using R = ReceiveReport;
  EXPECT_THAT(Traffic().received, ElementsAre(R{fd, 1, 1, 0}, R{fd, 2, 1, 0}, R{fd, 3, 1, 0},
                                              R{fd, 4, 1, 0}, R{fd, -1, 1, 0}));
}

TEST_F(SocketCallsTest, SendsAreReported) {
  const SocketPair pair = UnixPair();
  const int fd = pair.ours.get();
  char text[] = "text";
  iovec part = {text, 3};
  const msghdr message = MessageOf(part);

  EXPECT_EQ(zsock_send(fd, text, 1, 0), 1);
  EXPECT_EQ(zsock_sendto(fd, text, 2, 0, nullptr, 0), 2);
  EXPECT_EQ(zsock_sendmsg(fd, &message, 0), 3);
  EXPECT_EQ(sockhost_write(fd, text, 4), 4);
  EXPECT_EQ(ReceiveText(pair.peer.get(), 10), "ttetextext");

  using T = TransmitReport;
  EXPECT_THAT(Traffic().transmitted,
              ElementsAre(T{fd, 1, 1, 1}, T{fd, 2, 2, 1}, T{fd, 3, 3, 1}, T{fd, 4, 4, 1}));
}

TEST_F(SocketCallsTest, PeekIsNotReported) {
  const SocketPair pair = UnixPair();
  SendText(pair.peer.get(), "abc");
  char buffer[8];
  EXPECT_EQ(zsock_recv(pair.ours.get(), buffer, sizeof(buffer), ZSOCK_MSG_PEEK), 3);
  EXPECT_THAT(Traffic().received, IsEmpty());
}

TEST_F(SocketCallsTest, DatagramThatDoesNotFitIsReportedAsTruncated) {
  const SocketPair pair = UnixPair(SOCK_DGRAM);
  const int fd = pair.ours.get();
  SendText(pair.peer.get(), "123456789");
  SendText(pair.peer.get(), "123456789");

  char buffer[4];
  EXPECT_EQ(zsock_recv(fd, buffer, sizeof(buffer), 0), 4);
  EXPECT_EQ(zsock_recv(fd, buffer, sizeof(buffer), ZSOCK_MSG_TRUNC), 9);
  using R = ReceiveReport;
  EXPECT_THAT(Traffic().received, ElementsAre(R{fd, 4, 1, 1}, R{fd, 4, 1, 1}));
}

TEST_F(SocketCallsTest, CloseIsReported) {
  UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  const int number = fd.release();
  EXPECT_EQ(zsock_close(number), 0);
  EXPECT_FALSE(IsOpen(number));
  EXPECT_THAT(Traffic().closed, ElementsAre(number));
}

TEST_F(SocketCallsTest, CloseOfHostsSocketIsLeftToTheHost) {
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  Traffic().host_closes = true;
  EXPECT_EQ(zsock_close(fd.get()), 0);
  EXPECT_TRUE(IsOpen(fd.get()));
}

// ---- Files that are no sockets

TEST_F(SocketCallsTest, ReadAndWriteWorkOnPipes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  char buffer[8];
  EXPECT_EQ(sockhost_write(writer.get(), "pipe", 4), 4);
  EXPECT_EQ(Text(sockhost_read(reader.get(), buffer, sizeof(buffer)), buffer), "pipe");
}

TEST_F(SocketCallsTest, ReadOfNothingLeavesTheDatagram) {
  const SocketPair pair = UnixPair(SOCK_DGRAM);
  SendText(pair.peer.get(), "a");
  char buffer[8];
  EXPECT_EQ(sockhost_read(pair.ours.get(), buffer, 0), 0);
  EXPECT_EQ(sockhost_read(pair.ours.get(), buffer, sizeof(buffer)), 1);
}

// ---- What Zephyr does and Linux does not

TEST_F(SocketCallsTest, SendToPeerThatIsGoneIsEpipeWithoutSignal) {
  SocketPair pair = UnixPair();
  pair.peer.reset();
  char text[] = "text";
  iovec part = {text, 4};
  const msghdr message = MessageOf(part);
  EXPECT_EQ(zsock_send(pair.ours.get(), text, 4, 0), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(zsock_sendmsg(pair.ours.get(), &message, 0), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(sockhost_write(pair.ours.get(), text, 4), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(SocketCallsTest, NewSocketsBlockAndAreNotInherited) {
  const UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(listening.get());
  ASSERT_EQ(zsock_listen(listening.get(), 1), 0);
  const UniqueFd client = ConnectTo(LocalAddress(listening.get(), Protocol::kTcp));
  ASSERT_TRUE(WaitReadable(listening.get()));

  const UniqueFd opened(zsock_socket(AF_INET, SOCK_STREAM, 0));
  const UniqueFd accepted(zsock_accept(listening.get(), nullptr, nullptr));
  for (const int fd : {opened.get(), accepted.get()}) {
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(zsock_fcntl(fd, F_GETFL, 0) & O_NONBLOCK, 0);
  }
}

sockaddr_in LoopbackAddress(in_port_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Bind(const UniqueFd& fd, const sockaddr_in& address) {
  return zsock_bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

TEST_F(SocketCallsTest, ServerCanBindWhileOldConnectionsAreInTimeWait) {
  UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  ASSERT_EQ(Bind(listening, LoopbackAddress(0)), 0);
  ASSERT_EQ(zsock_listen(listening.get(), 1), 0);
  const SocketAddress address = LocalAddress(listening.get(), Protocol::kTcp);
  UniqueFd client = ConnectTo(address);
  ASSERT_TRUE(WaitReadable(listening.get()));
  UniqueFd accepted(zsock_accept(listening.get(), nullptr, nullptr));
  // Who closes first keeps the port in TIME_WAIT.
  accepted.reset();
  EXPECT_TRUE(WaitClosed(client.get()));
  client.reset();
  listening.reset();

  const UniqueFd again = NewSocket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(Bind(again, LoopbackAddress(htons(address.port()))), 0) << std::strerror(errno);
}

TEST_F(SocketCallsTest, EndOfStreamTellsThePeer) {
  SocketPair pair = TcpPair();
  const SocketAddress peer = LocalAddress(pair.peer.get(), Protocol::kTcp);
  pair.peer.reset();
  ASSERT_TRUE(WaitReadable(pair.ours.get()));

  char buffer[8];
  sockaddr_storage from = {};
  socklen_t length = sizeof(from);
  EXPECT_EQ(zsock_recvfrom(pair.ours.get(), buffer, sizeof(buffer), 0, net_sad(&from), &length), 0);
  EXPECT_EQ(SocketAddress::From(Protocol::kTcp, net_sad(&from), length), peer);
}

TEST_F(SocketCallsTest, ResetStreamHasNoPeerAndKeepsItsError) {
  SocketPair pair = TcpPair();
  ResetOnClose(pair.peer.get());
  pair.peer.reset();
  ASSERT_TRUE(WaitReadable(pair.ours.get()));

  char buffer[8];
  sockaddr_storage from = {};
  from.ss_family = 4711;
  socklen_t length = sizeof(from);
  EXPECT_EQ(zsock_recvfrom(pair.ours.get(), buffer, sizeof(buffer), 0, net_sad(&from), &length),
            -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(from.ss_family, AF_UNSPEC);
}

TEST_F(SocketCallsTest, DatagramTellsItsSender) {
  const UniqueFd ours = BoundUdp();
  const UniqueFd peer = ConnectTo(LocalAddress(ours.get(), Protocol::kUdp));
  EXPECT_EQ(send(peer.get(), "", 0, 0), 0);
  ASSERT_TRUE(WaitReadable(ours.get()));

  char buffer[8];
  sockaddr_storage from = {};
  socklen_t length = sizeof(from);
  EXPECT_EQ(zsock_recvfrom(ours.get(), buffer, sizeof(buffer), 0, net_sad(&from), &length), 0);
  EXPECT_EQ(SocketAddress::From(Protocol::kUdp, net_sad(&from), length),
            LocalAddress(peer.get(), Protocol::kUdp));
}

TEST_F(SocketCallsTest, AddressThatCannotBePrintedIsEmptyText) {
  char text[INET6_ADDRSTRLEN] = "old";
  in6_addr address = IN6ADDR_LOOPBACK_INIT;
  EXPECT_EQ(zsock_inet_ntop(4711, &address, text, sizeof(text)), nullptr);
  EXPECT_STREQ(text, "");
  EXPECT_STREQ(zsock_inet_ntop(AF_INET6, &address, text, sizeof(text)), "::1");
}

}  // namespace
}  // namespace sockhost
