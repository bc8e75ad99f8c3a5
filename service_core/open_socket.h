// The only place of the core that opens sockets.
#ifndef SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_
#define SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sockhost/datagram_ports.h"
#include "sockhost/listener_config.h"
#include "sockhost/socket_address.h"
#include "unique_fd.h"
#include "unix_socket_file.h"

namespace sockhost {

// Options that accepted connections inherit from the listening socket (tcp(7)).
// Zero: the system's default.
struct SocketTuning {
  bool keepalive = false;
  absl::Duration keepalive_idle;
  absl::Duration keepalive_interval;
  int keepalive_count = 0;
  absl::Duration tcp_user_timeout;
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;

  bool operator==(const SocketTuning&) const = default;
};

struct OpenSocketOptions {
  // Length of the accept queue; the kernel caps it at net.core.somaxconn.
  int backlog = 4096;
  // An IPv6 socket takes no IPv4 traffic.
  bool ipv6_only = false;
  // Other sockets that ask for it too may be bound to the same address.
  bool reuse_port = false;
  UnixSocketAccess unix_access = {};
  // What can be changed later, too.
  SocketTuning tuning = {};
};

struct OpenedSocket {
  UniqueFd fd;
  // As bound: with the port that the kernel chose.
  SocketAddress address;
  // 0 for datagram sockets.
  int effective_backlog = 0;
  // For UDP: as long as a copy lives, the port counts as one of ours.
  std::shared_ptr<const OwnDatagramPort> own_port;
  // As the kernel counts, its own overhead included (socket(7)).
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
  // Of a unix socket with a path: goes when this goes.
  UnixSocketFile file;
};

// Opens a non-blocking socket, binds it, and lets it listen if it is a stream
// socket. A unix socket that nobody answers on is replaced. Any thread. Nothing
// stays open on error. Errors: ADDRESS_IN_USE,
// BIND_NOT_PERMITTED, ADDRESS_NOT_AVAILABLE, FD_LIMIT, INTERNAL.
// Source: socket(2), bind(2), listen(2), ip(7), ipv6(7), unix(7).
absl::StatusOr<OpenedSocket> OpenSocket(const SocketAddress& address,
                                        const OpenSocketOptions& options);

// Takes over a socket that somebody else has bound, and lets it listen if it is a
// stream socket. Its file, if it has one, stays when it is closed. Errors:
// ADDRESS_INVALID (no socket of a known kind), INTERNAL.
absl::StatusOr<OpenedSocket> AdoptSocket(UniqueFd fd, const OpenSocketOptions& options);

// Changes backlog and tuning of an open socket; connections that are open keep
// what they have. Fills the effective values of `opened`. Error: INTERNAL.
absl::Status RetuneSocket(int fd, const OpenSocketOptions& options, OpenedSocket& opened);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_
