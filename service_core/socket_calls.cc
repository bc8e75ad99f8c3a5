// The zsock_ calls: system calls, what Zephyr does differently, and the report to
// the counters.
#define SOCKHOST_PLAIN_POSIX
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zephyr/net/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>

#include "datagram_segments.h"
#include "keep_errno.h"
#include "monotonic_clock.h"
#include "socket_traffic.h"
#include "system_calls.h"
#include "uninterrupted.h"

using sockhost::CountReceive;
using sockhost::CountTransmit;
using sockhost::DatagramsIn;
using sockhost::Uninterrupted;

namespace {

constexpr int64_t kNanosPerMs = 1'000'000;

size_t SizeOf(const msghdr& message) {
  size_t size = 0;
  for (size_t i = 0; i < message.msg_iovlen; ++i) size += message.msg_iov[i].iov_len;
  return size;
}

// Every receive call is a recvmsg: the others do not tell that a datagram was cut.
ssize_t Receive(int fd, msghdr& message, int flags) {
  const ssize_t result = Uninterrupted([&] { return recvmsg(fd, &message, flags); });
  // Looked at, but not received; and errors of earlier sends, not data.
  if ((flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0) return result;
  // With MSG_TRUNC the result is the size of the whole datagram.
  const size_t size = SizeOf(message);
  const ssize_t received =
      (flags & MSG_TRUNC) != 0 ? std::min(result, static_cast<ssize_t>(size)) : result;
  const bool is_cut = result >= 0 && (message.msg_flags & MSG_TRUNC) != 0;
  CountReceive(fd, received, 1, is_cut ? 1 : 0, false, size);
  return result;
}

// The same bytes as one message; without parts if the call is to be left to the kernel, which
// refuses a wrong number of them and does nothing for a size of 0.
msghdr MessageOf(const iovec* parts, int count) {
  msghdr message = {};
  if (!parts || count <= 0 || count > IOV_MAX) return message;
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<size_t>(count);
  return SizeOf(message) > 0 ? message : msghdr{};
}

// A stream has neither addresses nor ends of messages to tell of.
ssize_t ReceiveFromStream(int fd, void* buf, size_t size, int flags) {
  const ssize_t result = Uninterrupted([&] { return sockhost::Receive(fd, buf, size, flags); });
  if ((flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0) return result;
  const bool is_short = result > 0 && static_cast<size_t>(result) < size;
  CountReceive(fd, result, 1, 0, is_short, size);
  return result;
}

bool IsRetry(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

// Linux leaves the address alone when a stream ends, and servers print it then.
void FillPeerAddress(int fd, sockaddr* addr, socklen_t* addrlen) {
  const sockhost::KeepErrno kept;
  if (getpeername(fd, addr, addrlen) != 0) {
    if (*addrlen >= sizeof(sa_family_t)) addr->sa_family = AF_UNSPEC;
    *addrlen = 0;
  }
}

bool IsInternet(const sockaddr* addr) {
  return addr && (addr->sa_family == AF_INET || addr->sa_family == AF_INET6);
}

// Both structures have it at the same place.
bool IsAnyPort(const sockaddr* addr) {
  return reinterpret_cast<const sockaddr_in*>(addr)->sin_port == 0;
}

bool IsStream(int fd) {
  int type = 0;
  socklen_t length = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

// In Zephyr IPv4 and IPv6 have ports of their own: a server opens a socket for each, on
// the same port, or asks for both on one by setting the option to 0.
void LeaveIpv4Alone(int fd) {
  const sockhost::KeepErrno kept;
  const int on = 1;
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

// Connections of an earlier run in TIME_WAIT do not keep a server from its port then;
// Linux wants it of the earlier server as well.
void AllowRestart(int fd) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

}  // namespace

extern "C" {

// ---- Life of a socket

int zsock_socket(int family, int type, int proto) {
  const int fd = socket(family, type | SOCK_CLOEXEC, proto);
  if (fd >= 0 && family == AF_INET6) LeaveIpv4Alone(fd);
  return fd;
}

int zsock_socketpair(int family, int type, int proto, int* sv) {
  return socketpair(family, type | SOCK_CLOEXEC, proto, sv);
}

int zsock_bind(int sock, const struct sockaddr* addr, socklen_t addrlen) {
  if (!IsInternet(addr) || !IsStream(sock)) return bind(sock, addr, addrlen);
  if (!IsAnyPort(addr)) {
    AllowRestart(sock);
    return bind(sock, addr, addrlen);
  }
  // Afterwards: with the option set the kernel may choose a port that another server
  // has bound.
  const int result = bind(sock, addr, addrlen);
  if (result == 0) AllowRestart(sock);
  return result;
}

int zsock_connect(int sock, const struct sockaddr* addr, socklen_t addrlen) {
  return Uninterrupted([&] { return connect(sock, addr, addrlen); });
}

int zsock_listen(int sock, int backlog) { return listen(sock, backlog); }

int zsock_accept(int sock, struct sockaddr* addr, socklen_t* addrlen) {
  return sockhost_accept4(sock, addr, addrlen, 0);
}

int sockhost_accept4(int sock, struct sockaddr* addr, socklen_t* addrlen, int flags) {
  return Uninterrupted([&] { return accept4(sock, addr, addrlen, flags | SOCK_CLOEXEC); });
}

int zsock_shutdown(int sock, int how) { return shutdown(sock, how); }

int zsock_close(int sock) {
  switch (sockhost::NoteClose(sock)) {
    case sockhost::Closer::kProgram:
      return close(sock);
    case sockhost::Closer::kHost:
      return 0;
    case sockhost::Closer::kNobody:
      break;
  }
  errno = EPERM;
  return -1;
}

// ---- Data

ssize_t zsock_sendto(int sock, const void* buf, size_t len, int flags,
                     const struct sockaddr* dest_addr, socklen_t addrlen) {
  const ssize_t result = Uninterrupted(
      [&] { return sockhost::Send(sock, buf, len, flags | MSG_NOSIGNAL, dest_addr, addrlen); });
  CountTransmit(sock, result, len, 1);
  return result;
}

ssize_t zsock_send(int sock, const void* buf, size_t len, int flags) {
  return zsock_sendto(sock, buf, len, flags, nullptr, 0);
}

ssize_t zsock_sendmsg(int sock, const struct msghdr* msg, int flags) {
  const ssize_t result = Uninterrupted([&] { return sendmsg(sock, msg, flags | MSG_NOSIGNAL); });
  const size_t messages = result > 0 ? DatagramsIn(*msg, static_cast<size_t>(result)) : 1;
  CountTransmit(sock, result, SizeOf(*msg), messages);
  return result;
}

ssize_t zsock_recvmsg(int sock, struct msghdr* msg, int flags) {
  return Receive(sock, *msg, flags);
}

ssize_t zsock_recvfrom(int sock, void* buf, size_t max_len, int flags, struct sockaddr* src_addr,
                       socklen_t* addrlen) {
  if (!src_addr && sockhost::IsOwnTcp(sock)) return ReceiveFromStream(sock, buf, max_len, flags);
  iovec part = {buf, max_len};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!src_addr || !addrlen) return Receive(sock, message, flags);

  message.msg_name = src_addr;
  message.msg_namelen = *addrlen;
  const ssize_t result = Receive(sock, message, flags);
  const bool has_address = result >= 0 && message.msg_namelen > 0;
  if (result <= 0 && !has_address && !IsRetry(result)) {
    FillPeerAddress(sock, src_addr, addrlen);
  } else if (result >= 0) {
    *addrlen = message.msg_namelen;
  }
  return result;
}

ssize_t zsock_recv(int sock, void* buf, size_t max_len, int flags) {
  return zsock_recvfrom(sock, buf, max_len, flags, nullptr, nullptr);
}

ssize_t sockhost_read(int fd, void* buf, size_t size) {
  // Of no bytes: read(2) leaves a datagram in its queue, recvmsg(2) takes it.
  if (size == 0) return read(fd, buf, size);
  const ssize_t result = zsock_recv(fd, buf, size, 0);
  return result < 0 && errno == ENOTSOCK ? read(fd, buf, size) : result;
}

ssize_t sockhost_write(int fd, const void* buf, size_t size) {
  const ssize_t result = zsock_send(fd, buf, size, 0);
  return result < 0 && errno == ENOTSOCK ? write(fd, buf, size) : result;
}

ssize_t sockhost_readv(int fd, const struct iovec* parts, int count) {
  msghdr message = MessageOf(parts, count);
  if (!message.msg_iov) return readv(fd, parts, count);
  const ssize_t result = Receive(fd, message, 0);
  return result < 0 && errno == ENOTSOCK ? readv(fd, parts, count) : result;
}

ssize_t sockhost_writev(int fd, const struct iovec* parts, int count) {
  const msghdr message = MessageOf(parts, count);
  if (!message.msg_iov) return writev(fd, parts, count);
  const ssize_t result = zsock_sendmsg(fd, &message, 0);
  return result < 0 && errno == ENOTSOCK ? writev(fd, parts, count) : result;
}

// ---- State and options

int zsock_getsockopt(int sock, int level, int optname, void* optval, socklen_t* optlen) {
  return getsockopt(sock, level, optname, optval, optlen);
}

int zsock_setsockopt(int sock, int level, int optname, const void* optval, socklen_t optlen) {
  return setsockopt(sock, level, optname, optval, optlen);
}

int zsock_getsockname(int sock, struct sockaddr* addr, socklen_t* addrlen) {
  return getsockname(sock, addr, addrlen);
}

int zsock_getpeername(int sock, struct sockaddr* addr, socklen_t* addrlen) {
  return getpeername(sock, addr, addrlen);
}

int zsock_fcntl(int sock, int cmd, int flags) { return fcntl(sock, cmd, flags); }

int zsock_ioctl(int sock, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return ioctl(sock, request, argument);
}

// ---- Waiting

int zsock_poll(struct zsock_pollfd* fds, int nfds, int timeout_ms) {
  if (timeout_ms <= 0) {
    return Uninterrupted([&] { return poll(fds, static_cast<nfds_t>(nfds), timeout_ms); });
  }
  const int64_t end = sockhost::MonotonicNanos() + timeout_ms * kNanosPerMs;
  return Uninterrupted([&] {
    const int64_t left = std::max<int64_t>(end - sockhost::MonotonicNanos(), 0);
    // Rounded up, as poll(2) does: it never returns early.
    return poll(fds, static_cast<nfds_t>(nfds),
                static_cast<int>((left + kNanosPerMs - 1) / kNanosPerMs));
  });
}

int zsock_select(int nfds, zsock_fd_set* readfds, zsock_fd_set* writefds, zsock_fd_set* exceptfds,
                 struct zsock_timeval* timeout) {
  // The kernel would read and write the sets as far as it says, beyond their end.
  nfds = std::min(nfds, ZSOCK_FD_SETSIZE);
  // An interrupted select(2) leaves the sets as they are, and the time that is left in `timeout`.
  return Uninterrupted([&] { return select(nfds, readfds, writefds, exceptfds, timeout); });
}

// ---- Names and addresses

int zsock_inet_pton(sa_family_t family, const char* src, void* dst) {
  return inet_pton(family, src, dst);
}

const char* sockhost_inet_ntop(int family, const void* src, char* dst, socklen_t size) {
  const char* const result = inet_ntop(family, src, dst, size);
  if (!result && size > 0) dst[0] = '\0';
  return result;
}

char* zsock_inet_ntop(sa_family_t family, const void* src, char* dst, size_t size) {
  return sockhost_inet_ntop(family, src, dst, static_cast<socklen_t>(size)) ? dst : nullptr;
}

int zsock_getaddrinfo(const char* host, const char* service, const struct zsock_addrinfo* hints,
                      struct zsock_addrinfo** res) {
  return getaddrinfo(host, service, hints, res);
}

void zsock_freeaddrinfo(struct zsock_addrinfo* ai) { freeaddrinfo(ai); }

const char* zsock_gai_strerror(int errcode) { return gai_strerror(errcode); }

int zsock_getnameinfo(const struct sockaddr* addr, socklen_t addrlen, char* host, socklen_t hostlen,
                      char* serv, socklen_t servlen, int flags) {
  return getnameinfo(addr, addrlen, host, hostlen, serv, servlen, flags);
}

int zsock_gethostname(char* buf, size_t len) { return gethostname(buf, len); }

}  // extern "C"
