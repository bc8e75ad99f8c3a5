#include "fd_use.h"

#include <sys/resource.h>

#include "sockhost/fd_limit.h"

namespace sockhost {

int64_t FdLimit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int64_t>(limit.rlim_cur) : 0;
}

int64_t UsedFds() {
  const int64_t count = CountOpenFds();
  return count > 0 ? count : FdLimit();
}

}  // namespace sockhost
