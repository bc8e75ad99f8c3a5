// Who is told how the service thread is.
#ifndef SOCKHOST_SERVER_HEALTH_REPORT_H_
#define SOCKHOST_SERVER_HEALTH_REPORT_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "admin_server.h"
#include "service_manager_socket.h"
#include "sockhost/service_host.h"
#include "task_thread.h"

namespace sockhost {

// Looks at the service thread every 50 ms. While a handler holds it, grpc.health.v1
// answers NOT_SERVING and the service manager hears no WATCHDOG=1, so that it
// restarts a daemon that does not come back.
//
// Thread rule: main constructs and starts it; it works on the task thread.
class HealthReport {
 public:
  // Not owned; they outlive the tasks.
  HealthReport(const ServiceHost& host, AdminServer& server, const ServiceManagerSocket& manager,
               TaskThread& tasks)
      : host_(host), server_(server), manager_(manager), tasks_(tasks) {}
  HealthReport(const HealthReport&) = delete;
  HealthReport& operator=(const HealthReport&) = delete;

  // Reports from now on, until the tasks stop. The server is SERVING.
  void Start();
  // Main's: NOT_SERVING from now on, whatever the service thread does. The service
  // manager is told that the daemon stops.
  void Stop();

 private:
  void Look();
  void Tell(bool serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ServiceHost& host_;
  AdminServer& server_;
  const ServiceManagerSocket& manager_;
  TaskThread& tasks_;

  absl::Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = true;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the task thread: of the last WATCHDOG=1, on the monotonic clock.
  absl::Duration ping_time_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_HEALTH_REPORT_H_
