// Statistics of the service thread.
#ifndef SOCKHOST_LOOP_STATISTICS_H_
#define SOCKHOST_LOOP_STATISTICS_H_

#include <cstdint>

namespace sockhost {

// Absolute since start; what each means says proto/sockhost/v1/host.proto.
struct LoopStatistics {
  int64_t wakeups = 0;
  int64_t events = 0;
  int64_t stale_events = 0;
  int64_t max_events_per_wakeup = 0;
  int64_t busy_nanos = 0;
  int64_t max_turn_nanos = 0;
  int64_t epoll_rebuilds = 0;
  int64_t stalls = 0;
  int64_t max_stall_nanos = 0;
  int64_t closed_behind = 0;
  int64_t out_of_memory = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_LOOP_STATISTICS_H_
