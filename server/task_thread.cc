#include "task_thread.h"

#include <pthread.h>

#include <utility>

#include "monotonic_time.h"

namespace sockhost {

TaskThread::TaskThread() : thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "tasks");
}

TaskThread::~TaskThread() { Stop(); }

void TaskThread::RunAfter(absl::Duration delay, Task task) {
  const absl::Duration time = MonotonicTime() + delay;
  absl::MutexLock lock(&mutex_);
  if (stop_) return;
  tasks_.emplace(time, std::move(task));
  changed_.Signal();
}

void TaskThread::Stop() {
  std::multimap<absl::Duration, Task> dropped;  // destroyed without the mutex
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    dropped.swap(tasks_);
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void TaskThread::Loop() {
  absl::MutexLock lock(&mutex_);
  while (!stop_) {
    if (tasks_.empty()) {
      changed_.Wait(&mutex_);
      continue;
    }
    const absl::Duration wait = tasks_.begin()->first - MonotonicTime();
    if (wait > absl::ZeroDuration()) {
      changed_.WaitWithTimeout(&mutex_, wait);
      continue;
    }
    Task task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
  }
}

}  // namespace sockhost
