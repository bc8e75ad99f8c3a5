#include "kernel/wait.h"

#include <time.h>

#include <cerrno>
#include <cstdint>

namespace sockhost::kernel {
namespace {

void Append(sockhost_wait_queue& queue, sockhost_waiter& waiter) {
  waiter.next = nullptr;
  waiter.previous = queue.last;
  (queue.last ? queue.last->next : queue.first) = &waiter;
  queue.last = &waiter;
}

void Remove(sockhost_wait_queue& queue, sockhost_waiter& waiter) {
  (waiter.previous ? waiter.previous->next : queue.first) = waiter.next;
  (waiter.next ? waiter.next->previous : queue.last) = waiter.previous;
}

// Waits until `waiter` is woken. False if the uptime reaches `end` before.
bool WaitUntil(Guard& guard, sockhost_waiter& waiter, int64_t end) {
  const timespec at = MonotonicTimeAt(end);
  while (!waiter.woken) {
    if (pthread_cond_clockwait(&waiter.woken_signal, &guard.mutex(), CLOCK_MONOTONIC, &at) ==
        ETIMEDOUT) {
      return waiter.woken;
    }
  }
  return true;
}

}  // namespace

int Wait(Guard& guard, sockhost_wait_queue& queue, sockhost_waiter& waiter, k_timeout_t timeout) {
  Append(queue, waiter);
  if (IsForever(timeout)) {
    while (!waiter.woken) pthread_cond_wait(&waiter.woken_signal, &guard.mutex());
  } else if (!WaitUntil(guard, waiter, EndOf(timeout))) {
    Remove(queue, waiter);
    return -EAGAIN;
  }
  return waiter.result;
}

int Wait(Guard& guard, sockhost_wait_queue& queue, k_timeout_t timeout) {
  sockhost_waiter waiter;
  return Wait(guard, queue, waiter, timeout);
}

void Wake(sockhost_wait_queue& queue, sockhost_waiter& waiter, int result) {
  Remove(queue, waiter);
  waiter.result = result;
  waiter.woken = true;
  pthread_cond_signal(&waiter.woken_signal);
}

bool WakeFirst(sockhost_wait_queue& queue, int result) {
  if (!queue.first) return false;
  Wake(queue, *queue.first, result);
  return true;
}

int WakeAll(sockhost_wait_queue& queue, int result) {
  int woken = 0;
  while (WakeFirst(queue, result)) ++woken;
  return woken;
}

}  // namespace sockhost::kernel
