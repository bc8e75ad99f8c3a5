// Sees a handler that does not come back, and says whose it is.
#ifndef SOCKHOST_SERVICE_CORE_STALL_WATCHDOG_H_
#define SOCKHOST_SERVICE_CORE_STALL_WATCHDOG_H_

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "log.h"
#include "mutex.h"
#include "service_loop.h"
#include "sockhost/service_host.h"

namespace sockhost {

// A thread that looks at the service thread every 13 ms, and half as often while that thread
// is idle: a look costs 20 us of the core that it shares. A handler call that it sees for 25 ms is
// a stall: counted, and logged with the service's name and the service thread's backtrace (at most
// 5 a minute). One that lasts 200 ms makes the host unhealthy until it returns. One that has used 2
// s of CPU time ends the process, if that is asked for.
//
// Time is counted in looks, not on a clock: a process that was stopped and
// continued (SIGSTOP, a suspended machine) has not stalled.
class StallWatchdog {
 public:
  static constexpr int kLookIntervalMs = 13;
  static constexpr int kStallMs = 25;
  static constexpr int kUnhealthyMs = 200;
  static constexpr int64_t kAbortCpuNanos = 2'000'000'000;

  // Both are not owned and outlive the watchdog; `loop` has been started, and is joined only
  // when the watchdog has stopped.
  StallWatchdog(ServiceLoop& loop, const ServiceRegistry& registry, bool abort_on_stall = false);
  ~StallWatchdog();
  StallWatchdog(const StallWatchdog&) = delete;
  StallWatchdog& operator=(const StallWatchdog&) = delete;

  // Ends the thread; what was counted can still be read. A second call does nothing.
  void Stop();

  // Any thread.
  bool IsStalled() const { return stalled_ms_.load(std::memory_order_relaxed) >= kUnhealthyMs; }
  StalledHandler Stalled() const;
  int64_t stalls() const { return stalls_.load(std::memory_order_relaxed); }
  int64_t max_stall_nanos() const { return max_stall_nanos_.load(std::memory_order_relaxed); }

 private:
  void Run();
  void Look(int waited_ms);
  void Report();
  void AbortIfItComputes();

  // The service whose handler runs; nullptr if it was undefined.
  std::shared_ptr<Service> CalledService() const;
  StalledHandler DescribeHandler() const;
  void Record(HostEventKind kind);

  ServiceLoop& loop_;
  const ServiceRegistry& registry_;
  const bool abort_on_stall_;

  // Of the watchdog's thread.
  uint64_t seen_call_ = 0;
  int idle_looks_ = 0;
  int64_t next_backtrace_nanos_ = 0;
  // Of the call in progress: whose it is once it counts as a stall (nullptr: it was
  // undefined meanwhile), and the CPU time of the service thread when it was first seen.
  std::shared_ptr<Service> stalling_;
  int64_t cpu_at_first_look_ = 0;

  std::atomic<int64_t> stalled_ms_{0};
  std::atomic<int64_t> stalls_{0};
  std::atomic<int64_t> max_stall_nanos_{0};

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  StalledHandler handler_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_STALL_WATCHDOG_H_
