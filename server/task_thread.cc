#include "task_thread.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "monotonic_time.h"

namespace sockhost {
namespace {

// The end of a wait without limit is no time that can be told.
constexpr absl::Duration kLongestWait = absl::Hours(1);

}  // namespace

TaskThread::TaskThread() : thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "tasks");
}

TaskThread::~TaskThread() { Stop(); }

void TaskThread::RunAfter(absl::Duration delay, Task task) {
  const absl::Duration time = MonotonicTime() + delay;
  const std::lock_guard lock(mutex_);
  if (stop_) return;
  tasks_.emplace(time, std::move(task));
  changed_.notify_one();
}

void TaskThread::Stop() {
  std::multimap<absl::Duration, Task> dropped;  // destroyed without the mutex
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    dropped.swap(tasks_);
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void TaskThread::Loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const absl::Duration wait = tasks_.begin()->first - MonotonicTime();
    if (wait > absl::ZeroDuration()) {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(wait, kLongestWait)));
      continue;
    }
    Task task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace sockhost
