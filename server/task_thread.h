// A thread for the admin side's own work: timers and completions.
#ifndef SOCKHOST_SERVER_TASK_THREAD_H_
#define SOCKHOST_SERVER_TASK_THREAD_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace sockhost {

// Runs tasks one after another, each at its time. gRPC's threads are few and must
// not wait, and the service thread must not do the admin side's work: both hand
// it over to this one.
class TaskThread {
 public:
  using Task = absl::AnyInvocable<void()>;
  // By time on the monotonic clock, then in the order in which they were handed over.
  using TimedTask = std::pair<absl::Duration, uint64_t>;

  // `name`: what the kernel calls the thread; at most 15 bytes.
  explicit TaskThread(const char* name = "tasks");
  // Stops.
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // Any thread. After Stop tasks are dropped. Run's tasks run in the order in which
  // they were handed over.
  void Run(Task task);
  TimedTask RunAfter(absl::Duration delay, Task task);
  // Up to 100 ms later than that, together with others: for a task that will
  // usually have nothing to do.
  void RunSomeTimeAfter(absl::Duration delay, Task task);
  // Drops it with all that it holds; false if its time has come.
  bool Cancel(const TimedTask& timed);

  // Tasks whose time has not come. For tests.
  size_t waiting() const;

  // Waits for the task in progress, drops the others. Not on this thread.
  void Stop();

 private:
  TimedTask RunAt(absl::Duration time, Task task);
  void Loop();
  // Fills ready_, unless it is time to stop.
  void WaitForTasks(std::unique_lock<std::mutex>& lock);

  // Not absl's, which waits until a time of the wall clock: set back by an hour, it would
  // keep every task waiting for that hour.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool stop_ = false;
  // Handed over by Run, or due. Guarded by mutex_.
  std::deque<Task> ready_;
  // Guarded by mutex_.
  std::map<TimedTask, Task> later_;
  uint64_t timed_ = 0;
  // The thread waits for changed_, or for the first of later_. Guarded by mutex_.
  bool waits_ = false;
  std::thread thread_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_TASK_THREAD_H_
