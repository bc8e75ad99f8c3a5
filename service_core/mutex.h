// std::mutex with the annotations that clang's -Wthread-safety checks.
//
// Not absl::Mutex: ThreadSanitizer knows std::mutex, but reports only noise on
// the distribution's uninstrumented Abseil.
#ifndef SOCKHOST_SERVICE_CORE_MUTEX_H_
#define SOCKHOST_SERVICE_CORE_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace sockhost {

// How a MutexLock waits.
enum class Awake { kYes };

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  // Waits awake at first, some 60 us: for what is held for one or two while threads that do
  // not wait long want it. To sleep and be woken takes 20 us and, where a hypervisor has to
  // start the core again, 200.
  void LockAwake() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    constexpr int kMostPauses = 1500;
    for (int i = 0; i < kMostPauses; ++i) {
      if (mutex_.try_lock()) return;
      Pause();
    }
    mutex_.lock();
  }
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return mutex_.try_lock(); }

  // Tells the analysis that the caller's caller holds it.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}

  // For std::condition_variable_any.
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  // Tells the core that this thread waits in a loop.
  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
  }

  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  // By LockAwake.
  MutexLock(Mutex& mutex, Awake) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.LockAwake();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_MUTEX_H_
