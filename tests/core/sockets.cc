#include "tests/core/sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <utility>

#include "tests/core/eventually.h"

namespace sockhost {
namespace {

constexpr int kDeadlineMs =
    static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(kDeadline).count());

UniqueFd Checked(int fd, absl::string_view what) {
  if (fd < 0) ADD_FAILURE() << what << ": " << std::strerror(errno);
  return UniqueFd(fd);
}

int ConnectSocket(int fd, const SocketAddress& address) {
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  return connect(fd, reinterpret_cast<sockaddr*>(&storage), length);
}

}  // namespace

SocketPair UnixPair(int type) {
  int fds[2] = {-1, -1};
  if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
    ADD_FAILURE() << "socketpair: " << std::strerror(errno);
  }
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

SocketPair TcpPair() {
  const UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(listening.get());
  EXPECT_EQ(listen(listening.get(), 1), 0) << std::strerror(errno);
  SocketPair pair;
  pair.peer = ConnectTo(LocalAddress(listening.get(), Protocol::kTcp));
  EXPECT_TRUE(WaitReadable(listening.get()));
  pair.ours =
      Checked(accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4");
  fcntl(pair.peer.get(), F_SETFL, O_NONBLOCK);
  return pair;
}

UniqueFd EventFd(bool readable) {
  return Checked(eventfd(readable ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
}

UniqueFd EventFdNumbered(int number, bool readable) {
  UniqueFd fd = EventFd(readable);
  const auto takes_number = [&] {
    if (fd.get() == number) return true;
    UniqueFd next(fcntl(fd.get(), F_DUPFD_CLOEXEC, number));
    if (next.get() != number) return false;
    fd = std::move(next);
    return true;
  };
  EXPECT_TRUE(Becomes(takes_number, testing::Eq(true))) << "number " << number;
  return fd;
}

UniqueFd NewSocket(int family, int type) {
  return Checked(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
}

UniqueFd BoundUdp() {
  UniqueFd fd = NewSocket(AF_INET, SOCK_DGRAM);
  BindToLoopback(fd.get());
  return fd;
}

UniqueFd RegularFile() { return Checked(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "open"); }

int ClosedFd() { return INT_MAX; }

void BindToLoopback(int fd) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0)
      << std::strerror(errno);
}

SocketAddress LocalAddress(int fd, Protocol protocol) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length), 0)
      << std::strerror(errno);
  return SocketAddress::From(protocol, reinterpret_cast<sockaddr*>(&storage), length);
}

UniqueFd TryConnect(const SocketAddress& address) {
  const int type = address.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  UniqueFd fd = Checked(socket(address.family(), type | SOCK_CLOEXEC, 0), "socket");
  if (ConnectSocket(fd.get(), address) != 0) return {};
  return fd;
}

UniqueFd ConnectTo(const SocketAddress& address) {
  UniqueFd fd = TryConnect(address);
  if (!fd.valid()) {
    ADD_FAILURE() << "connect " << address.ToString() << ": " << std::strerror(errno);
  }
  return fd;
}

void SendText(int fd, absl::string_view text) {
  EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()))
      << std::strerror(errno);
}

bool WaitReadable(int fd) {
  pollfd wanted{fd, POLLIN, 0};
  return poll(&wanted, 1, kDeadlineMs) == 1;
}

std::string ReceiveText(int fd, size_t size) {
  std::string text(size, '\0');
  size_t have = 0;
  while (have < size && WaitReadable(fd)) {
    const ssize_t got = recv(fd, text.data() + have, size - have, 0);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  return text;
}

bool WaitClosed(int fd) {
  char buffer[4096];
  while (WaitReadable(fd)) {
    const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
  }
  return false;
}

bool TakeAll(int fd) {
  char buffer[65536];
  bool any = false;
  while (read(fd, buffer, sizeof(buffer)) > 0) any = true;
  return any;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

void ResetOnClose(int fd) {
  const linger now{1, 0};
  EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0) << std::strerror(errno);
}

}  // namespace sockhost
