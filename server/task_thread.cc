#include "task_thread.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "monotonic_time.h"

namespace sockhost {
namespace {

// The end of a wait without limit is no time that can be told.
constexpr absl::Duration kLongestWait = absl::Hours(1);
constexpr absl::Duration kSomeTime = absl::Milliseconds(100);

}  // namespace

TaskThread::TaskThread(const char* name) : thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), name);
}

TaskThread::~TaskThread() { Stop(); }

void TaskThread::Run(Task task) {
  const std::lock_guard lock(mutex_);
  if (stop_) return;
  ready_.push_back(std::move(task));
  // It is on its way otherwise: waking it costs more than most tasks.
  if (waits_) changed_.notify_one();
}

TaskThread::TimedTask TaskThread::RunAfter(absl::Duration delay, Task task) {
  return RunAt(MonotonicTime() + delay, std::move(task));
}

void TaskThread::RunSomeTimeAfter(absl::Duration delay, Task task) {
  RunAt(absl::Ceil(MonotonicTime() + delay, kSomeTime), std::move(task));
}

TaskThread::TimedTask TaskThread::RunAt(absl::Duration time, Task task) {
  const std::lock_guard lock(mutex_);
  const TimedTask timed(time, ++timed_);
  if (stop_) return timed;
  const auto added = later_.emplace(timed, std::move(task)).first;
  if (waits_ && added == later_.begin()) changed_.notify_one();
  return timed;
}

bool TaskThread::Cancel(const TimedTask& timed) {
  std::map<TimedTask, Task>::node_type dropped;  // destroyed without the mutex
  const std::lock_guard lock(mutex_);
  dropped = later_.extract(timed);
  return !dropped.empty();
}

size_t TaskThread::waiting() const {
  const std::lock_guard lock(mutex_);
  return later_.size();
}

void TaskThread::Stop() {
  // Destroyed without the mutex.
  std::deque<Task> dropped;
  std::map<TimedTask, Task> dropped_later;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    dropped.swap(ready_);
    dropped_later.swap(later_);
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void TaskThread::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    WaitForTasks(lock);
    if (stop_) return;
    Task task = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

void TaskThread::WaitForTasks(std::unique_lock<std::mutex>& lock) {
  while (!stop_) {
    absl::Duration wait = kLongestWait;
    while (!later_.empty()) {
      wait = later_.begin()->first.first - MonotonicTime();
      if (wait > absl::ZeroDuration()) break;
      ready_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
      wait = kLongestWait;
    }
    if (!ready_.empty()) return;
    waits_ = true;
    changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(wait, kLongestWait)));
    waits_ = false;
  }
}

}  // namespace sockhost
