// The only place of the core that opens sockets.
#ifndef SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_
#define SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sockhost/datagram_ports.h"
#include "sockhost/listener_config.h"
#include "sockhost/own_addresses.h"
#include "sockhost/own_socket_files.h"
#include "sockhost/socket_address.h"
#include "unique_fd.h"
#include "unix_socket_file.h"

namespace sockhost {

struct OpenedSocket {
  UniqueFd fd;
  // As bound: with the port that the kernel chose.
  SocketAddress address;
  // The local one of each connection that it takes; empty where only the kernel knows.
  SocketAddress address_of_connections;
  // 0 for datagram sockets.
  int effective_backlog = 0;
  // For UDP: as long as a copy lives, the port counts as one of ours.
  std::shared_ptr<const OwnDatagramPort> own_port;
  // As long as a copy lives, the address counts as one of ours; null for a unix socket.
  std::shared_ptr<const OwnAddress> own_address;
  // Of a unix socket with a path: as long as a copy lives, its file counts as one of ours.
  std::shared_ptr<const OwnSocketFile> own_file;
  // As the kernel counts, its own overhead included (socket(7)).
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
  // Of a unix socket with a path: goes when this goes.
  UnixSocketFile file;
};

// Opens a non-blocking socket, binds it, and lets it listen if it is a stream
// socket. A unix socket that nobody answers on is replaced. Any thread. Nothing
// stays open on error. Errors: ADDRESS_IN_USE, BIND_NOT_PERMITTED (with a field
// where it is one of `unix_access`), ADDRESS_NOT_AVAILABLE, FD_LIMIT, INTERNAL.
// Source: socket(2), bind(2), listen(2), ip(7), ipv6(7), unix(7).
absl::StatusOr<OpenedSocket> OpenSocket(const SocketAddress& address, const SocketOptions& options);

// Tells whether OpenSocket would succeed, by opening one for a moment. What is there stays: where
// a unix socket would be replaced, the new one is bound elsewhere. Any thread. Errors: those of
// OpenSocket.
absl::Status ProbeSocket(const SocketAddress& address, const SocketOptions& options);

// Takes over a socket that somebody else has bound, and lets it listen if it is a
// stream socket. Its file, if it has one, stays when it is closed. Errors:
// ADDRESS_INVALID (no socket of a known kind), INTERNAL.
absl::StatusOr<OpenedSocket> AdoptSocket(UniqueFd fd, const SocketOptions& options);

// Changes backlog and tuning of an open socket; connections that are open keep
// what they have. Fills the effective values of `opened`. Error: INTERNAL.
absl::Status RetuneSocket(int fd, const SocketOptions& options, OpenedSocket& opened);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_OPEN_SOCKET_H_
