// Sees a handler that does not come back, and says whose it is.
#ifndef SOCKHOST_SERVICE_CORE_STALL_WATCHDOG_H_
#define SOCKHOST_SERVICE_CORE_STALL_WATCHDOG_H_

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <string>
#include <thread>

#include "log.h"
#include "mutex.h"
#include "service_loop.h"

namespace sockhost {

// A thread that looks at the service thread every 5 ms, and five times less often
// while that thread is idle. A handler call that it sees for 25 ms is a stall: counted, and logged
// with the service's name and the service thread's backtrace (at most 5 a minute). One that lasts
// 200 ms makes the host unhealthy until it returns.
//
// Time is counted in looks, not on a clock: a process that was stopped and
// continued (SIGSTOP, a suspended machine) has not stalled.
class StallWatchdog {
 public:
  static constexpr int kLookIntervalMs = 5;
  static constexpr int kStallMs = 25;
  static constexpr int kUnhealthyMs = 200;

  // Both are not owned and outlive the watchdog; `loop` has been started.
  StallWatchdog(ServiceLoop& loop, const ServiceRegistry& registry);
  ~StallWatchdog();
  StallWatchdog(const StallWatchdog&) = delete;
  StallWatchdog& operator=(const StallWatchdog&) = delete;

  // Ends the thread; what was counted can still be read. A second call does nothing.
  void Stop();

  // Any thread.
  bool IsStalled() const { return stalled_ms_.load(std::memory_order_relaxed) >= kUnhealthyMs; }
  std::string StalledService() const;
  int64_t stalls() const { return stalls_.load(std::memory_order_relaxed); }
  int64_t max_stall_nanos() const { return max_stall_nanos_.load(std::memory_order_relaxed); }

 private:
  void Run();
  void Look(int waited_ms);
  void Report(const std::string& service);

  std::string DescribeService() const;
  std::shared_ptr<const std::string> NameOfCalled() const;
  void Record(HostEventKind kind);

  ServiceLoop& loop_;
  const ServiceRegistry& registry_;

  // Of the watchdog's thread.
  uint64_t seen_call_ = 0;
  int idle_looks_ = 0;
  int64_t next_backtrace_nanos_ = 0;
  // The service of the last event; nullptr: it was undefined meanwhile.
  std::shared_ptr<const std::string> stalled_service_;

  std::atomic<int64_t> stalled_ms_{0};
  std::atomic<int64_t> stalls_{0};
  std::atomic<int64_t> max_stall_nanos_{0};

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::string service_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_STALL_WATCHDOG_H_
