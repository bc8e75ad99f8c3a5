// A thread for the listeners' own work: what may wait for the system.
#ifndef SOCKHOST_SERVICE_CORE_LISTENER_THREAD_H_
#define SOCKHOST_SERVICE_CORE_LISTENER_THREAD_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mutex.h"

namespace sockhost {

// Runs tasks one after another, each when it is due: work of listeners that nobody
// asked for just now, such as opening a socket once more, or removing a file. The
// service thread must not do it: a file system may take its time. A task that throws
// std::bad_alloc is run again 100 ms later.
//
// Thread rule: any thread.
class ListenerThread {
 public:
  ListenerThread() = default;
  // Stops.
  ~ListenerThread();
  ListenerThread(const ListenerThread&) = delete;
  ListenerThread& operator=(const ListenerThread&) = delete;

  // Once. Error: INTERNAL.
  absl::Status Start();
  // Lets the task in progress finish, runs those that were posted, drops those
  // whose time has not come, and ends the thread. Not inside a task. A second call
  // does nothing.
  void Stop();

  // Runs `task` soon. While there is no thread, or no memory, at once and on the
  // caller's: it holds no lock.
  void Post(absl::AnyInvocable<void()> task);
  // Runs `task` after `delay`; never if the thread ends before. Throws std::bad_alloc.
  void RunAfter(absl::Duration delay, absl::AnyInvocable<void()> task);

 private:
  static constexpr int64_t kNow = 0;

  void Run();
  // False if there is no thread (any more). `task` is moved from only if it is queued.
  bool Enqueue(int64_t time, absl::AnyInvocable<void()>& task);

  std::thread thread_;
  Mutex mutex_;
  std::condition_variable_any wake_;
  bool runs_ ABSL_GUARDED_BY(mutex_) = false;
  // By the monotonic time at which they are due, ns.
  std::multimap<int64_t, absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_LISTENER_THREAD_H_
