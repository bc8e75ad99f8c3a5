// The only place of the core that opens sockets.
#ifndef SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_
#define SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sockhost/datagram_ports.h"
#include "sockhost/socket_address.h"
#include "unique_fd.h"

namespace sockhost {

struct OpenSocketOptions {
  // Length of the accept queue; the kernel caps it at net.core.somaxconn.
  int backlog = 4096;
  // An IPv6 socket takes no IPv4 traffic.
  bool ipv6_only = false;
};

struct OpenedSocket {
  UniqueFd fd;
  // As bound: with the port that the kernel chose.
  SocketAddress address;
  // 0 for datagram sockets.
  int effective_backlog = 0;
  // For UDP: as long as a copy lives, the port counts as one of ours.
  std::shared_ptr<const OwnDatagramPort> own_port;
};

// Opens a non-blocking socket, binds it, and lets it listen if it is a stream
// socket. Any thread. Nothing stays open on error. Errors: ADDRESS_IN_USE,
// BIND_NOT_PERMITTED, ADDRESS_NOT_AVAILABLE, FD_LIMIT, INTERNAL.
// Source: socket(2), bind(2), listen(2), ip(7), ipv6(7).
absl::StatusOr<OpenedSocket> OpenSocket(const SocketAddress& address,
                                        const OpenSocketOptions& options);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_
