#include "task_thread.h"

#include <pthread.h>
#include <time.h>

#include <utility>

namespace sockhost {
namespace {

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::ToInt64Nanoseconds(absl::DurationFromTimespec(now));
}

}  // namespace

TaskThread::TaskThread() : thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "tasks");
}

TaskThread::~TaskThread() { Stop(); }

void TaskThread::RunAfter(absl::Duration delay, Task task) {
  const int64_t time = MonotonicNanos() + absl::ToInt64Nanoseconds(delay);
  absl::MutexLock lock(&mutex_);
  if (stop_) return;
  tasks_.emplace(time, std::move(task));
  changed_.Signal();
}

void TaskThread::Stop() {
  std::multimap<int64_t, Task> dropped;  // destroyed without the mutex
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
    const int64_t wait = tasks_.begin()->first - MonotonicNanos();
    if (wait > 0) {
      changed_.WaitWithTimeout(&mutex_, absl::Nanoseconds(wait));
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
