#include "open_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

absl::Status OpenError(const SocketAddress& address, absl::string_view call, int error_number) {
  const std::string where = address.ToString();
  const auto fail = [&](Reason reason, absl::string_view advice, ErrorMetadata metadata = {}) {
    metadata["address"] = where;
    metadata["errno"] = strerrorname_np(error_number);
    return Error(reason,
                 absl::StrCat("cannot listen on ", where, ": ", call, ": ",
                              DescribeErrno(error_number), advice),
                 std::move(metadata));
  };
  switch (error_number) {
    case EADDRINUSE:
      return fail(Reason::kADDRESS_IN_USE,
                  "; choose another port, port 0, or stop the other owner of the address");
    case EACCES:
    case EPERM:
      return fail(Reason::kBIND_NOT_PERMITTED,
                  "; ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
                  {{"capability", "CAP_NET_BIND_SERVICE"}});
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENODEV:
    case EINVAL:  // bind: link-local address without a zone
      return fail(Reason::kADDRESS_NOT_AVAILABLE,
                  "; use an address of this host (see `ip address`)");
    case EMFILE:
    case ENFILE:
      return fail(Reason::kFD_LIMIT, "; raise the limit of open files (RLIMIT_NOFILE)",
                  {{"setting", "RLIMIT_NOFILE"}});
    default:
      return fail(Reason::kINTERNAL, "");
  }
}

absl::Status SetOption(int fd, int level, int option, int value, const SocketAddress& address,
                       absl::string_view name) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return OpenError(address, absl::StrCat("setsockopt ", name), errno);
}

absl::Status SetOptions(int fd, const SocketAddress& address, const OpenSocketOptions& options) {
  if (!address.is_datagram()) {
    // Lets a restarted daemon bind while old connections are in TIME_WAIT. Not
    // for UDP, where it would let two sockets share, and steal, one port.
    absl::Status status = SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, address, "SO_REUSEADDR");
    if (!status.ok()) return status;
  }
  if (address.protocol() == Protocol::kUdp && address.is_wildcard()) {
    // Tells which of the host's addresses was asked: the answer must come from it.
    const bool ipv6 = address.family() == AF_INET6;
    absl::Status status = SetOption(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                                    ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1, address, "PKTINFO");
    if (!status.ok()) return status;
  }
  if (address.family() != AF_INET6) return absl::OkStatus();
  return SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only ? 1 : 0, address,
                   "IPV6_V6ONLY");
}

int SystemBacklogLimit() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/sys/net/core/somaxconn", "re"),
                                                   std::fclose);
  int limit = SOMAXCONN;
  if (file && std::fscanf(file.get(), "%d", &limit) == 1) return limit;
  return SOMAXCONN;
}

}  // namespace

absl::StatusOr<OpenedSocket> OpenSocket(const SocketAddress& address,
                                        const OpenSocketOptions& options) {
  const int type = address.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  OpenedSocket out;
  out.fd.reset(socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.fd.valid()) return OpenError(address, "socket", errno);

  absl::Status status = SetOptions(out.fd.get(), address, options);
  if (!status.ok()) return status;

  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  if (bind(out.fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return OpenError(address, "bind", errno);
  }
  if (!address.is_datagram()) {
    if (listen(out.fd.get(), options.backlog) != 0) return OpenError(address, "listen", errno);
    out.effective_backlog = std::min(options.backlog, SystemBacklogLimit());
  }
  socklen_t bound_length = sizeof(storage);
  if (getsockname(out.fd.get(), reinterpret_cast<sockaddr*>(&storage), &bound_length) != 0) {
    return OpenError(address, "getsockname", errno);
  }
  out.address =
      SocketAddress::From(address.protocol(), reinterpret_cast<sockaddr*>(&storage), bound_length);
  out.own_port = std::make_shared<const OwnDatagramPort>(out.address);
  return out;
}

}  // namespace sockhost
