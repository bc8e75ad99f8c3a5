// The address of an admin API, as --host and SOCKCTL_HOST give it.
#ifndef SOCKHOST_CLIENT_ADMIN_ADDRESS_H_
#define SOCKHOST_CLIENT_ADMIN_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost::client {

// Where sockhostd listens unless it is told otherwise.
inline constexpr absl::string_view kDefaultAdminAddress = "unix:/run/sockhost/admin.sock";

struct AdminAddress {
  std::string text;       // as it was given
  std::string target;     // the same for gRPC
  std::string unix_path;  // of a unix socket, '@' first if abstract; empty for TCP
  bool tls = false;       // TCP with TLS
};

// Accepts
//   unix:PATH, unix:///PATH, /PATH      unix socket, path of at most 107 bytes
//   unix:@NAME, unix-abstract:NAME      abstract unix socket
//   tls://HOST:PORT                     TCP with TLS; IPv6 in brackets, port 1 to 65535
//   tcp://HOST:PORT, HOST:PORT          TCP without TLS
// INVALID_ARGUMENT says what is wrong and which forms there are.
absl::StatusOr<AdminAddress> ParseAdminAddress(absl::string_view text);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_ADMIN_ADDRESS_H_
