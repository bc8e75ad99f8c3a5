// The clock of everything that is measured: jumps of the wall clock do not
// reach it.
#ifndef SOCKHOST_SERVICE_CORE_MONOTONIC_CLOCK_H_
#define SOCKHOST_SERVICE_CORE_MONOTONIC_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace sockhost {

// CLOCK_MONOTONIC in ns. Any thread. Source: clock_gettime(2).
inline int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_MONOTONIC_CLOCK_H_
