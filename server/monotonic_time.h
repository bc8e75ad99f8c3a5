// The clock for the admin side's intervals: jumps of the wall clock do not reach it.
#ifndef SOCKHOST_SERVER_MONOTONIC_TIME_H_
#define SOCKHOST_SERVER_MONOTONIC_TIME_H_

#include <time.h>

#include "absl/time/time.h"

namespace sockhost {

// CLOCK_MONOTONIC, see clock_gettime(2): the time since some moment. Any thread.
inline absl::Duration MonotonicTime() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_MONOTONIC_TIME_H_
