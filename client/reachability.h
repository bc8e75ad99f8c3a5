// Why a daemon cannot be reached, and what to do about it.
#ifndef SOCKHOST_CLIENT_REACHABILITY_H_
#define SOCKHOST_CLIENT_REACHABILITY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "client/admin_address.h"

namespace sockhost::client {

struct Unreachable {
  std::string message;  // what failed: which address: why
  std::string hint;     // what to do
};

// Explains a call that ended with UNAVAILABLE and without an answer of the
// daemon. `grpc_message` is gRPC's own text. Connects once to a unix socket:
// gRPC tells no errno apart, and EACCES needs other advice than ENOENT.
Unreachable ExplainUnreachable(const AdminAddress& address, absl::string_view grpc_message);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_REACHABILITY_H_
