// Who may have how many open files.
#ifndef SOCKHOST_SERVER_FD_BUDGET_H_
#define SOCKHOST_SERVER_FD_BUDGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"

namespace sockhost {

// The limit of open files, divided: what the daemon needs itself and the connections of the
// admin API (two fds each) is kept out of what sockets of services may use.
struct FdBudget {
  // What a daemon that does less than this is not worth.
  static constexpr int64_t kFewestSockets = 8;
  // fds that the daemon opens after its start, besides those of its settings: the loop, gRPC,
  // the resolver, what is kept for the last operator, files that are read now and then.
  static constexpr int64_t kOwnFds = 16;

  // `own`: fds that are open, or will be whatever is asked of the daemon. Error: FD_LIMIT
  // with what is needed, if less than kFewestSockets would be left.
  static absl::StatusOr<FdBudget> Divide(int64_t limit, int64_t own);

  size_t admin_connections;
  size_t sockets;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FD_BUDGET_H_
