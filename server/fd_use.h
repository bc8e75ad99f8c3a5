// Open files of this process, now.
#ifndef SOCKHOST_SERVER_FD_USE_H_
#define SOCKHOST_SERVER_FD_USE_H_

#include <cstdint>

namespace sockhost {

// The soft RLIMIT_NOFILE; an operator can change that of a running process.
int64_t FdLimit();

// How many are open; the limit when counting fails, because counting needs one
// and there is none when all are used.
int64_t UsedFds();

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FD_USE_H_
