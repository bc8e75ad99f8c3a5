#define SOCKHOST_PLAIN_POSIX
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zephyr/net/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service_core/unique_fd.h"
#include "sockhost/socket_address.h"
#include "tests/compat/traffic_record.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Each;
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

TEST_F(SocketCallsTest, FcntlTakesTheNamesOfZephyr) {
  const SocketPair pair = UnixPair();
  const int flags = zsock_fcntl(pair.ours.get(), ZVFS_F_GETFL, 0);
  EXPECT_EQ(zsock_fcntl(pair.ours.get(), ZVFS_F_SETFL, flags | ZVFS_O_NONBLOCK), 0);
  EXPECT_NE(fcntl(pair.ours.get(), F_GETFL) & O_NONBLOCK, 0);
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

TEST_F(SocketCallsTest, ReadvAndWritevWorkOnPipes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  char text[] = "pipe";
  char buffer[4];
  const iovec out[] = {{text, 1}, {text + 1, 3}};
  const iovec in[] = {{buffer, 3}, {buffer + 3, 1}};
  EXPECT_EQ(sockhost_writev(writer.get(), out, 2), 4);
  EXPECT_EQ(Text(sockhost_readv(reader.get(), in, 2), buffer), "pipe");
}

TEST_F(SocketCallsTest, ReadvAndWritevAreReportedWhole) {
  const SocketPair pair = UnixPair(SOCK_DGRAM);
  const int fd = pair.ours.get();
  char text[] = "text";
  const iovec parts[] = {{text, 1}, {text + 1, 2}};
  EXPECT_EQ(sockhost_writev(fd, parts, 2), 3);
  SendText(pair.peer.get(), "longer");
  EXPECT_EQ(sockhost_readv(fd, parts, 2), 3);
  EXPECT_THAT(Traffic().transmitted, ElementsAre(TransmitReport{fd, 3, 3, 1}));
  EXPECT_THAT(Traffic().received, ElementsAre(ReceiveReport{fd, 3, 1, 1}));
}

TEST_F(SocketCallsTest, ReadvAndWritevOfNothingOrTooManyDoNothing) {
  const SocketPair pair = UnixPair(SOCK_DGRAM);
  SendText(pair.peer.get(), "a");
  char buffer[8];
  const iovec part = {buffer, 0};
  EXPECT_EQ(sockhost_readv(pair.ours.get(), &part, 1), 0);
  EXPECT_EQ(sockhost_readv(pair.ours.get(), &part, 0), 0);
  EXPECT_EQ(sockhost_readv(pair.ours.get(), &part, -1), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(sockhost_writev(pair.ours.get(), &part, IOV_MAX + 1), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(sockhost_read(pair.ours.get(), buffer, sizeof(buffer)), 1);
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

// Binds to every address of the socket's family, and listens if it is for streams.
int Serve(const UniqueFd& fd, in_port_t port) {
  sockaddr_storage any = {};
  socklen_t length = sizeof(any);
  zsock_getsockname(fd.get(), net_sad(&any), &length);
  // At the same place in both structures.
  reinterpret_cast<sockaddr_in&>(any).sin_port = htons(port);
  if (zsock_bind(fd.get(), net_sad(&any), length) != 0) return -1;
  return zsock_listen(fd.get(), 1) != 0 && errno != EOPNOTSUPP ? -1 : 0;
}

class PortsOfBothFamiliesTest : public SocketCallsTest, public testing::WithParamInterface<int> {};

TEST_P(PortsOfBothFamiliesTest, AreApartUntilAskedFor) {
  const UniqueFd ipv6(zsock_socket(AF_INET6, GetParam(), 0));
  ASSERT_EQ(Serve(ipv6, 0), 0) << std::strerror(errno);
  const in_port_t port = LocalAddress(ipv6.get(), Protocol::kTcp).port();
  UniqueFd ipv4(zsock_socket(AF_INET, GetParam(), 0));
  EXPECT_EQ(Serve(ipv4, port), 0) << std::strerror(errno);

  const UniqueFd both(zsock_socket(AF_INET6, GetParam(), 0));
  const int off = 0;
  EXPECT_EQ(zsock_setsockopt(both.get(), IPPROTO_IPV6, ZSOCK_IPV6_V6ONLY, &off, sizeof(off)), 0);
  ASSERT_EQ(Serve(both, 0), 0) << std::strerror(errno);
  ipv4.reset(zsock_socket(AF_INET, GetParam(), 0));
  EXPECT_EQ(Serve(ipv4, LocalAddress(both.get(), Protocol::kTcp).port()), -1);
  EXPECT_EQ(errno, EADDRINUSE);
}

INSTANTIATE_TEST_SUITE_P(Types, PortsOfBothFamiliesTest, testing::Values(SOCK_STREAM, SOCK_DGRAM));

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

// An fd set with memory behind it that a wrong number would reach.
struct GuardedFdSet {
  zsock_fd_set set;
  unsigned char behind[sizeof(zsock_fd_set)];
};

TEST_F(SocketCallsTest, FdsThatNoSetHoldsAreIgnored) {
  GuardedFdSet guarded;
  std::memset(&guarded, 0x55, sizeof(guarded));
  ZSOCK_FD_ZERO(&guarded.set);
  const volatile int none[] = {-1, ZSOCK_FD_SETSIZE, 2 * ZSOCK_FD_SETSIZE - 1};
  for (const int fd : none) {
    ZSOCK_FD_SET(fd, &guarded.set);
    EXPECT_FALSE(ZSOCK_FD_ISSET(fd, &guarded.set));
    ZSOCK_FD_CLR(fd, &guarded.set);
  }
  for (int fd = 0; fd < ZSOCK_FD_SETSIZE; ++fd) {
    EXPECT_FALSE(ZSOCK_FD_ISSET(fd, &guarded.set));
  }
  EXPECT_THAT(guarded.behind, Each(0x55));
}

TEST_F(SocketCallsTest, SelectTouchesNothingBehindItsSets) {
  const SocketPair pair = UnixPair();
  SendText(pair.peer.get(), "a");
  const int fd = pair.ours.get();
  // The kernel goes as far as the process may have fds.
  const FdLimit limit(2 * ZSOCK_FD_SETSIZE);
  const UniqueFd high(fcntl(fd, F_DUPFD_CLOEXEC, 2 * ZSOCK_FD_SETSIZE - 1));
  ASSERT_TRUE(high.valid());
  GuardedFdSet guarded;
  std::memset(&guarded, 0x55, sizeof(guarded));
  ZSOCK_FD_ZERO(&guarded.set);
  ZSOCK_FD_SET(fd, &guarded.set);
  ZSOCK_FD_CLR(pair.peer.get(), &guarded.set);
  EXPECT_EQ(zsock_select(2 * ZSOCK_FD_SETSIZE, &guarded.set, nullptr, nullptr, nullptr), 1);
  EXPECT_TRUE(ZSOCK_FD_ISSET(fd, &guarded.set));
  EXPECT_THAT(guarded.behind, Each(0x55));
}

// ---- Errors: -1 and errno, as the POSIX call of the same name

struct FailingCall {
  const char* name;
  int error;
  std::function<ssize_t()> call;

  friend void PrintTo(const FailingCall& call, std::ostream* out) { *out << call.name; }
};

class FailingCallTest : public SocketCallsTest, public testing::WithParamInterface<FailingCall> {};

TEST_P(FailingCallTest, ReturnsMinusOneAndSetsErrno) {
  errno = 0;
  EXPECT_EQ(GetParam().call(), -1);
  EXPECT_EQ(errno, GetParam().error) << std::strerror(errno);
}

// Calls of every function that takes a socket.
std::vector<FailingCall> CallsOf(const char* what, int error, const std::function<int()>& fd) {
  static sockaddr_in address = {};
  static socklen_t length = sizeof(address);
  static char buffer[8];
  static iovec part = {buffer, sizeof(buffer)};
  static msghdr message = MessageOf(part);
  static int value = 0;
  static socklen_t value_length = sizeof(value);
  sockaddr* const any = reinterpret_cast<sockaddr*>(&address);
  const std::pair<const char*, std::function<ssize_t(int)>> calls[] = {
      {"bind", [=](int s) { return zsock_bind(s, any, length); }},
      {"connect", [=](int s) { return zsock_connect(s, any, length); }},
      {"listen", [=](int s) { return zsock_listen(s, 1); }},
      {"accept", [=](int s) { return zsock_accept(s, nullptr, nullptr); }},
      {"shutdown", [=](int s) { return zsock_shutdown(s, ZSOCK_SHUT_RDWR); }},
      {"send", [=](int s) { return zsock_send(s, buffer, 1, 0); }},
      {"sendto", [=](int s) { return zsock_sendto(s, buffer, 1, 0, any, length); }},
      {"sendmsg", [=](int s) { return zsock_sendmsg(s, &message, 0); }},
      {"recv", [=](int s) { return zsock_recv(s, buffer, 1, 0); }},
      {"recvfrom", [=](int s) { return zsock_recvfrom(s, buffer, 1, 0, any, &length); }},
      {"recvmsg", [=](int s) { return zsock_recvmsg(s, &message, 0); }},
      {"getsockopt",
       [=](int s) { return zsock_getsockopt(s, SOL_SOCKET, SO_ERROR, &value, &value_length); }},
      {"setsockopt",
       [=](int s) { return zsock_setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)); }},
      {"getsockname", [=](int s) { return zsock_getsockname(s, any, &length); }},
      {"getpeername", [=](int s) { return zsock_getpeername(s, any, &length); }},
  };
  static auto* names = new std::deque<std::string>;
  std::vector<FailingCall> out;
  for (const auto& [name, call] : calls) {
    names->push_back(std::string(name) + " of " + what);
    out.push_back({names->back().c_str(), error, [call = call, fd] { return call(fd()); }});
  }
  return out;
}

// A file that is no socket.
int NoSocket() {
  static const UniqueFd file = RegularFile();
  return file.get();
}

INSTANTIATE_TEST_SUITE_P(Closed, FailingCallTest,
                         testing::ValuesIn(CallsOf("no fd", EBADF, ClosedFd)));
INSTANTIATE_TEST_SUITE_P(NoSocket, FailingCallTest,
                         testing::ValuesIn(CallsOf("a file", ENOTSOCK, NoSocket)));
INSTANTIATE_TEST_SUITE_P(
    Others, FailingCallTest,
    testing::Values(
        FailingCall{"socket of no family", EAFNOSUPPORT,
                    [] { return zsock_socket(AF_MAX, SOCK_STREAM, 0); }},
        FailingCall{"socketpair of another family", EOPNOTSUPP,
                    [] {
                      int pair[2];
                      return zsock_socketpair(AF_INET, SOCK_STREAM, 0, pair);
                    }},
        FailingCall{"bind to an address in use", EADDRINUSE,
                    [] {
                      const UniqueFd first = BoundUdp();
                      const UniqueFd second = NewSocket(AF_INET, SOCK_DGRAM);
                      const in_port_t port = LocalAddress(first.get(), Protocol::kUdp).port();
                      return Bind(second, LoopbackAddress(htons(port)));
                    }},
        FailingCall{"connect to nobody", ECONNREFUSED,
                    [] {
                      UniqueFd gone = NewSocket(AF_INET, SOCK_STREAM);
                      BindToLoopback(gone.get());
                      const sockaddr_in address =
                          LoopbackAddress(htons(LocalAddress(gone.get(), Protocol::kTcp).port()));
                      gone.reset();
                      const UniqueFd fd(zsock_socket(AF_INET, SOCK_STREAM, 0));
                      return zsock_connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                           sizeof(address));
                    }},
        FailingCall{"listen with datagrams", EOPNOTSUPP,
                    [] { return zsock_listen(BoundUdp().get(), 1); }},
        FailingCall{"accept when nobody comes", EAGAIN,
                    [] {
                      const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
                      BindToLoopback(fd.get());
                      zsock_listen(fd.get(), 1);
                      return zsock_accept(fd.get(), nullptr, nullptr);
                    }},
        FailingCall{
            "shutdown without a peer", ENOTCONN,
            [] { return zsock_shutdown(NewSocket(AF_INET, SOCK_STREAM).get(), ZSOCK_SHUT_WR); }},
        FailingCall{"setsockopt that is unknown", ENOPROTOOPT,
                    [] {
                      const int on = 1;
                      return zsock_setsockopt(BoundUdp().get(), SOL_SOCKET, 4711, &on, sizeof(on));
                    }},
        FailingCall{"close of no fd", EBADF, [] { return zsock_close(ClosedFd()); }},
        FailingCall{"fcntl of no fd", EBADF, [] { return zsock_fcntl(ClosedFd(), F_GETFL, 0); }},
        FailingCall{"ioctl that is unknown", ENOTTY,
                    [] { return zsock_ioctl(BoundUdp().get(), 0x4711UL, nullptr); }},
        FailingCall{"read of no fd", EBADF,
                    [] {
                      char byte;
                      return sockhost_read(ClosedFd(), &byte, 1);
                    }},
        FailingCall{"write of no fd", EBADF, [] { return sockhost_write(ClosedFd(), "x", 1); }},
        FailingCall{"select of no fd", EBADF,
                    [] {
                      int closed;
                      {
                        const UniqueFd fd = EventFd(false);
                        closed = fd.get();
                      }
                      zsock_fd_set set;
                      ZSOCK_FD_ZERO(&set);
                      ZSOCK_FD_SET(closed, &set);
                      zsock_timeval at_once = {};
                      return zsock_select(closed + 1, &set, nullptr, nullptr, &at_once);
                    }},
        FailingCall{"poll of too many", EINVAL,
                    [] {
                      const FdLimit limit(1);
                      zsock_pollfd two[2] = {};
                      return zsock_poll(two, 2, 0);
                    }},
        FailingCall{"inet_pton of no family", EAFNOSUPPORT,
                    [] {
                      in6_addr address;
                      return zsock_inet_pton(AF_MAX, "::1", &address);
                    }},
        FailingCall{"gethostname that does not fit", ENAMETOOLONG, [] {
                      char nothing[1];
                      return zsock_gethostname(nothing, 0);
                    }}));

TEST_F(SocketCallsTest, PollTellsOfAnFdThatIsNotOpen) {
  zsock_pollfd closed = {ClosedFd(), ZSOCK_POLLIN, 0};
  EXPECT_EQ(zsock_poll(&closed, 1, -1), 1);
  EXPECT_EQ(closed.revents, ZSOCK_POLLNVAL);
}

TEST_F(SocketCallsTest, NamesThatCannotBeResolvedAreEaiCodes) {
  zsock_addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST;
  zsock_addrinfo* found = nullptr;
  EXPECT_EQ(zsock_getaddrinfo("no number", nullptr, &hints, &found), EAI_NONAME);
  EXPECT_NE(zsock_gai_strerror(EAI_NONAME), nullptr);
  EXPECT_EQ(zsock_getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
  char host[64];
  EXPECT_EQ(zsock_getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), nullptr, 0,
                              NI_NUMERICHOST),
            0);
  EXPECT_STREQ(host, "127.0.0.1");
  zsock_freeaddrinfo(found);
  sockaddr none = {};
  none.sa_family = AF_MAX;
  EXPECT_EQ(zsock_getnameinfo(&none, sizeof(none), host, sizeof(host), nullptr, 0, NI_NUMERICHOST),
            EAI_FAMILY);
}

}  // namespace
}  // namespace sockhost
