#include "fd_budget.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"

namespace sockhost {
namespace {

constexpr int64_t kFewestConnections = 8;
constexpr int64_t kMostConnections = 256;

}  // namespace

absl::StatusOr<FdBudget> FdBudget::Divide(int64_t limit, int64_t own) {
  const int64_t connections = std::clamp(limit / 16, kFewestConnections, kMostConnections);
  const int64_t left = limit - own - 2 * connections;
  if (left < kFewestSockets) {
    const int64_t least = own + 2 * kFewestConnections + kFewestSockets;
    return Error(
        Reason::kFD_LIMIT,
        absl::StrCat("the limit of open files is ", limit, ": sockhostd needs ", own, " itself, ",
                     2 * kFewestConnections, " for the admin API and ", kFewestSockets,
                     " for sockets; raise it to ", least, " or more (ulimit -n, LimitNOFILE=)"),
        {{"limit", absl::StrCat(limit)}, {"setting", "RLIMIT_NOFILE"}});
  }
  // Where there is plenty, more is kept than is known to be needed: modules open files, too.
  const int64_t careful = std::max(limit - kReservedFds - 2 * connections, limit / 2);
  return FdBudget{static_cast<size_t>(connections), static_cast<size_t>(std::min(left, careful))};
}

}  // namespace sockhost
