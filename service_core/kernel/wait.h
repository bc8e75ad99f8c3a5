// How threads wait for kernel objects: one list per object, each thread asleep on
// a condition variable of its own.
//
// The object that ends a wait decides for whom and with what result, and does so
// under the guard. So nothing can be lost between two threads, and nobody can take
// what was given to another thread.
//
// Only pthread types, no C++ ones: objects are defined statically in C, and a
// process may end while threads still wait.
#ifndef SOCKHOST_SERVICE_CORE_KERNEL_WAIT_H_
#define SOCKHOST_SERVICE_CORE_KERNEL_WAIT_H_

#include <pthread.h>
#include <time.h>
#include <zephyr/kernel/wait_queue.h>
#include <zephyr/sys_clock.h>

// A thread that waits. Lives on that thread's stack.
struct sockhost_waiter {
  sockhost_waiter* next = nullptr;
  sockhost_waiter* previous = nullptr;
  pthread_cond_t woken_signal = PTHREAD_COND_INITIALIZER;
  bool woken = false;
  // What the wait returns.
  int result = 0;
  // What is handed over: an item, a buffer to fill.
  void* item = nullptr;
};

namespace sockhost::kernel {

// Holds the guard of a wait queue. Getters with a const object lock it as well.
class Guard {
 public:
  explicit Guard(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  explicit Guard(const sockhost_wait_queue& queue)
      : Guard(const_cast<sockhost_wait_queue&>(queue).guard) {}
  ~Guard() { pthread_mutex_unlock(&mutex_); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  pthread_mutex_t& mutex() { return mutex_; }

 private:
  pthread_mutex_t& mutex_;
};

inline bool IsNoWait(k_timeout_t timeout) { return timeout.ticks == 0; }
inline bool IsForever(k_timeout_t timeout) { return timeout.ticks == K_TICKS_FOREVER; }

// The uptime in ticks at which `timeout` ends; INT64_MAX if it does not.
int64_t EndOf(k_timeout_t timeout);

// That point in time for the system calls that wait with CLOCK_MONOTONIC.
timespec MonotonicTimeAt(int64_t ticks);

// Puts `waiter` at the end of `queue` and waits until it is woken or `timeout` ends.
// Returns waiter.result, or -EAGAIN if time ran out; the waiter is in no queue then.
// The guard is held at the call and at the return.
int Wait(Guard& guard, sockhost_wait_queue& queue, sockhost_waiter& waiter, k_timeout_t timeout);
int Wait(Guard& guard, sockhost_wait_queue& queue, k_timeout_t timeout);

// The next three under the guard.

// Ends the wait of `waiter`, which is in `queue`.
void Wake(sockhost_wait_queue& queue, sockhost_waiter& waiter, int result);

// Ends the wait of the first thread and returns true; false if none waits.
bool WakeFirst(sockhost_wait_queue& queue, int result);

// Ends all waits. Their number.
int WakeAll(sockhost_wait_queue& queue, int result);

// An object as its initialiser leaves it.
inline void Reset(sockhost_wait_queue& queue) { queue = SOCKHOST_WAIT_QUEUE_INITIALIZER; }

}  // namespace sockhost::kernel

#endif  // SOCKHOST_SERVICE_CORE_KERNEL_WAIT_H_
