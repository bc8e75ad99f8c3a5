// The limit of open files.
#ifndef SOCKHOST_FD_LIMIT_H_
#define SOCKHOST_FD_LIMIT_H_

#include <cstdint>

namespace sockhost {

// fds that sockets of services never use: standard streams, epoll, the admin
// API, the log and other files.
inline constexpr int64_t kReservedFds = 64;

// Raises the soft RLIMIT_NOFILE to the hard one, at most 1 048 576 (a kernel
// with a larger limit makes programs slow that close every possible fd).
// Returns the limit in force. Source: getrlimit(2).
int64_t RaiseFdLimit();

// fds that are open now, counted in /proc/self/fd.
int64_t CountOpenFds();

}  // namespace sockhost

#endif  // SOCKHOST_FD_LIMIT_H_
