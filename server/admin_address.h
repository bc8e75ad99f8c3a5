// Addresses of the admin API.
#ifndef SOCKHOST_SERVER_ADMIN_ADDRESS_H_
#define SOCKHOST_SERVER_ADMIN_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// Where the admin API listens, and `sockctl` looks for it, unless told otherwise.
inline constexpr char kDefaultAdminPath[] = "/run/sockhost/admin.sock";

// `unix:/path`, `tls://HOST:PORT` (TCP with TLS) or `tcp://HOST:PORT` (without).
struct AdminAddress {
  // Not empty: a unix socket.
  std::string path;
  // Else TCP.
  SocketAddress tcp;
  bool tls = false;

  bool is_unix() const { return !path.empty(); }
  std::string ToString() const;
  // What its socket listens at, whatever is spoken there.
  SocketAddress ToSocketAddress() const;

  // Error: ADDRESS_INVALID.
  static absl::StatusOr<AdminAddress> Parse(absl::string_view text);
};

// True for an address that only this machine reaches.
bool IsLoopback(const SocketAddress& address);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_ADDRESS_H_
