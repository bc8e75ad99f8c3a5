#include "listener_thread.h"

#include <pthread.h>

#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "monotonic_clock.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int64_t kAfterShortageNanos = 100'000'000;

}  // namespace

ListenerThread::~ListenerThread() { Stop(); }

absl::Status ListenerThread::Start() {
  MutexLock lock(mutex_);
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return Error(Reason::kINTERNAL,
                 absl::StrCat("cannot start the listener thread: ", error.what()));
  }
  pthread_setname_np(thread_.native_handle(), "listeners");
  runs_ = true;
  return absl::OkStatus();
}

void ListenerThread::Stop() {
  {
    MutexLock lock(mutex_);
    if (!std::exchange(runs_, false)) return;
  }
  wake_.notify_all();
  thread_.join();
}

void ListenerThread::Post(absl::AnyInvocable<void()> task) {
  try {
    if (Enqueue(kNow, task)) return;
  } catch (const std::bad_alloc&) {
    // It must be done, by whomever.
  }
  task();
}

void ListenerThread::RunAfter(absl::Duration delay, absl::AnyInvocable<void()> task) {
  Enqueue(MonotonicNanos() + absl::ToInt64Nanoseconds(delay), task);
}

bool ListenerThread::Enqueue(int64_t time, absl::AnyInvocable<void()>& task) {
  {
    MutexLock lock(mutex_);
    if (!runs_) return false;
    tasks_.emplace(time, std::move(task));
  }
  wake_.notify_all();
  return true;
}

void ListenerThread::Run() {
  mutex_.Lock();
  while (true) {
    const auto first = tasks_.begin();
    const bool empty = first == tasks_.end();
    if (!runs_ && (empty || first->first != kNow)) break;
    if (empty) {
      wake_.wait(mutex_);
      continue;
    }
    if (const int64_t wait = first->first - MonotonicNanos(); wait > 0) {
      wake_.wait_for(mutex_, std::chrono::nanoseconds(wait));
      continue;
    }
    auto node = tasks_.extract(first);
    mutex_.Unlock();
    try {
      node.mapped()();
      node.mapped() = nullptr;  // what it holds is freed without the mutex
    } catch (const std::bad_alloc&) {
      node.key() = MonotonicNanos() + kAfterShortageNanos;
    }
    mutex_.Lock();
    if (node.mapped()) tasks_.insert(std::move(node));
  }
  // Freed without the mutex, too.
  auto dropped = std::exchange(tasks_, {});
  mutex_.Unlock();
}

}  // namespace sockhost
