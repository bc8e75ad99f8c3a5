// A thread for the admin side's own work: timers and completions.
#ifndef SOCKHOST_SERVER_TASK_THREAD_H_
#define SOCKHOST_SERVER_TASK_THREAD_H_

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace sockhost {

// Runs tasks one after another, each at its time. gRPC's threads are few and must
// not wait, and the service thread must not do the admin side's work: both hand
// it over to this one.
class TaskThread {
 public:
  using Task = absl::AnyInvocable<void()>;

  TaskThread();
  // Stops.
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // Any thread. After Stop tasks are dropped. Tasks of the same time run in the
  // order in which they were handed over.
  void Run(Task task) { RunAfter(absl::ZeroDuration(), std::move(task)); }
  void RunAfter(absl::Duration delay, Task task);

  // Waits for the task in progress, drops the others. Not on this thread.
  void Stop();

 private:
  void Loop();

  // Not absl's, which waits until a time of the wall clock: set back by an hour, it would
  // keep every task waiting for that hour.
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool stop_ = false;
  // By time on the monotonic clock. Guarded by mutex_.
  std::multimap<absl::Duration, Task> tasks_;
  std::thread thread_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_TASK_THREAD_H_
