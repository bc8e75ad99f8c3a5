#include "kernel/work.h"

#include <zephyr/kernel.h>

#include <cerrno>

#include "kernel/wait.h"

using sockhost::kernel::EndOf;
using sockhost::kernel::Guard;
using sockhost::kernel::IsNoWait;
using sockhost::kernel::Wait;
using sockhost::kernel::WakeAll;
using sockhost::kernel::WakeFirst;

namespace {

// One guard for all items and queues: an item may go from queue to queue, and runs
// are short beside what they cost otherwise.
//
// Threads that wait for an item to settle wait in `settled`, and look again
// whenever any item has.
sockhost_wait_queue settled = SOCKHOST_WAIT_QUEUE_INITIALIZER;

bool Has(const k_work& work, uint32_t flag) { return (work.flags & flag) != 0; }

// An item has run, or was taken back.
void Settle(k_work& work) {
  ++work.settled;
  WakeAll(settled, 0);
}

// ---- The list of a queue

void Append(k_work_q& queue, k_work& work) {
  work.next = nullptr;
  (queue.last ? queue.last->next : queue.first) = &work;
  queue.last = &work;
}

k_work& TakeFirst(k_work_q& queue) {
  k_work& work = *queue.first;
  queue.first = work.next;
  if (!queue.first) queue.last = nullptr;
  return work;
}

void Remove(k_work_q& queue, k_work& work) {
  k_work* previous = nullptr;
  for (k_work* at = queue.first; at != &work; at = at->next) previous = at;
  (previous ? previous->next : queue.first) = work.next;
  if (queue.last == &work) queue.last = previous;
}

// ---- Submitting

int Submit(k_work_q* queue, k_work& work) {
  if (Has(work, K_WORK_CANCELING)) return -EBUSY;
  if (Has(work, K_WORK_QUEUED)) return 0;
  // The same item never runs on two threads at once.
  const bool is_running = Has(work, K_WORK_RUNNING);
  if (is_running) queue = work.queue;
  if (!queue) return -EINVAL;
  if (!queue->started) return -ENODEV;
  work.queue = queue;
  work.flags |= K_WORK_QUEUED;
  Append(*queue, work);
  WakeFirst(queue->wait_q, 0);
  return is_running ? 2 : 1;
}

void Unschedule(k_work_delayable& dwork) {
  if (!Has(dwork.work, K_WORK_DELAYED)) return;
  dwork.work.flags &= ~uint32_t{K_WORK_DELAYED};
  k_work_delayable** at = &dwork.queue->delayed;
  while (*at != &dwork) at = &(*at)->next;
  *at = dwork.next;
}

int Schedule(k_work_q* wanted, k_work_delayable& dwork, k_timeout_t delay) {
  if (!wanted) return -EINVAL;
  k_work_q& queue = *wanted;
  if (!queue.started) return -ENODEV;
  dwork.queue = &queue;
  dwork.due = EndOf(delay);
  dwork.work.flags |= K_WORK_DELAYED;
  k_work_delayable** at = &queue.delayed;
  while (*at && (*at)->due <= dwork.due) at = &(*at)->next;
  dwork.next = *at;
  *at = &dwork;
  WakeFirst(queue.wait_q, 0);
  return 1;
}

int SubmitAfter(k_work_q* queue, k_work_delayable& dwork, k_timeout_t delay) {
  return IsNoWait(delay) ? Submit(queue, dwork.work) : Schedule(queue, dwork, delay);
}

// ---- Cancelling

// Takes back what has not begun. What is still going on.
int Cancel(k_work& work) {
  if (Has(work, K_WORK_QUEUED)) {
    Remove(*work.queue, work);
    work.flags &= ~uint32_t{K_WORK_QUEUED};
    Settle(work);
  }
  if (Has(work, K_WORK_RUNNING)) work.flags |= K_WORK_CANCELING;
  return static_cast<int>(work.flags);
}

bool IsOwnThread(const k_work& work) {
  return work.queue && k_current_get() == &work.queue->thread;
}

// Of the run that is going on: when this thread looks again the next one may be.
void AwaitEndOfRun(Guard& guard, const k_work& work) {
  if (IsOwnThread(work)) return;
  const uint32_t begin = work.settled;
  while (Has(work, K_WORK_RUNNING) && work.settled == begin) Wait(guard, settled, K_FOREVER);
}

bool Flush(Guard& guard, const k_work& work) {
  const uint32_t open = (Has(work, K_WORK_QUEUED) ? 1 : 0) + (Has(work, K_WORK_RUNNING) ? 1 : 0);
  const uint32_t begin = work.settled;
  while (work.settled - begin < open) Wait(guard, settled, K_FOREVER);
  return open > 0;
}

// ---- The thread of a queue

void SubmitDue(k_work_q& queue) {
  const int64_t now = sys_clock_tick_get();
  while (queue.delayed && queue.delayed->due <= now) {
    k_work_delayable& dwork = *queue.delayed;
    Unschedule(dwork);
    Submit(&queue, dwork.work);
  }
}

void AwaitWork(Guard& guard, k_work_q& queue) {
  const k_timeout_t timeout = queue.delayed ? K_TIMEOUT_ABS_TICKS(queue.delayed->due) : K_FOREVER;
  Wait(guard, queue.wait_q, timeout);
}

void RunFirst(k_work_q& queue) {
  k_work& work = TakeFirst(queue);
  work.flags = (work.flags & ~uint32_t{K_WORK_QUEUED}) | K_WORK_RUNNING;
  const k_work_handler_t handler = work.handler;
  pthread_mutex_unlock(&settled.guard);
  handler(&work);
  pthread_mutex_lock(&settled.guard);
  work.flags &= ~uint32_t{K_WORK_RUNNING | K_WORK_CANCELING};
  Settle(work);
}

void RunQueue(void* argument, void*, void*) {
  k_work_q& queue = *static_cast<k_work_q*>(argument);
  Guard guard(settled);
  for (;;) {
    SubmitDue(queue);
    if (queue.first) {
      RunFirst(queue);
    } else {
      AwaitWork(guard, queue);
    }
  }
}

void Start(k_work_q& queue, const char* name) {
  {
    Guard guard(settled);
    if (queue.started) return;
    queue.started = true;
  }
  if (!k_thread_create(&queue.thread, nullptr, 0, RunQueue, &queue, nullptr, nullptr, 0, 0,
                       K_NO_WAIT)) {
    Guard guard(settled);
    queue.started = false;
    return;
  }
  k_thread_name_set(&queue.thread, name);
}

// The system's queues start with their first use.
void StartIfOurs(k_work_q* queue) {
  if (queue == &k_sys_work_q) Start(*queue, "sysworkq");
  if (queue == &sockhost::kernel::timer_queue) Start(*queue, "timers");
}

}  // namespace

k_work_q k_sys_work_q = {};
k_work_q sockhost::kernel::timer_queue = {};

extern "C" {

void k_work_queue_init(struct k_work_q* queue) { *queue = {}; }

void k_work_queue_start(struct k_work_q* queue, k_thread_stack_t*, size_t, int,
                        const struct k_work_queue_config* config) {
  Start(*queue, config && config->name ? config->name : "workq");
}

void k_work_init(struct k_work* work, k_work_handler_t handler) {
  *work = SOCKHOST_WORK_INITIALIZER(handler);
}

int k_work_submit_to_queue(struct k_work_q* queue, struct k_work* work) {
  StartIfOurs(queue);
  Guard guard(settled);
  return Submit(queue, *work);
}

int k_work_submit(struct k_work* work) { return k_work_submit_to_queue(&k_sys_work_q, work); }

int k_work_busy_get(const struct k_work* work) {
  Guard guard(settled);
  return static_cast<int>(work->flags);
}

bool k_work_flush(struct k_work* work, struct k_work_sync*) {
  Guard guard(settled);
  return Flush(guard, *work);
}

int k_work_cancel(struct k_work* work) {
  Guard guard(settled);
  return Cancel(*work);
}

bool k_work_cancel_sync(struct k_work* work, struct k_work_sync*) {
  Guard guard(settled);
  const bool was_pending = work->flags != 0;
  Cancel(*work);
  AwaitEndOfRun(guard, *work);
  return was_pending;
}

void k_work_init_delayable(struct k_work_delayable* dwork, k_work_handler_t handler) {
  *dwork = SOCKHOST_WORK_DELAYABLE_INITIALIZER(handler);
}

int k_work_schedule_for_queue(struct k_work_q* queue, struct k_work_delayable* dwork,
                              k_timeout_t delay) {
  StartIfOurs(queue);
  Guard guard(settled);
  if ((dwork->work.flags & ~uint32_t{K_WORK_RUNNING}) != 0) return 0;
  return SubmitAfter(queue, *dwork, delay);
}

int k_work_schedule(struct k_work_delayable* dwork, k_timeout_t delay) {
  return k_work_schedule_for_queue(&k_sys_work_q, dwork, delay);
}

int k_work_reschedule_for_queue(struct k_work_q* queue, struct k_work_delayable* dwork,
                                k_timeout_t delay) {
  StartIfOurs(queue);
  Guard guard(settled);
  Unschedule(*dwork);
  return SubmitAfter(queue, *dwork, delay);
}

int k_work_reschedule(struct k_work_delayable* dwork, k_timeout_t delay) {
  return k_work_reschedule_for_queue(&k_sys_work_q, dwork, delay);
}

int k_work_delayable_busy_get(const struct k_work_delayable* dwork) {
  return k_work_busy_get(&dwork->work);
}

k_ticks_t k_work_delayable_expires_get(const struct k_work_delayable* dwork) {
  Guard guard(settled);
  return Has(dwork->work, K_WORK_DELAYED) ? dwork->due : sys_clock_tick_get();
}

k_ticks_t k_work_delayable_remaining_get(const struct k_work_delayable* dwork) {
  const k_ticks_t remaining = k_work_delayable_expires_get(dwork) - sys_clock_tick_get();
  return MAX(remaining, 0);
}

bool k_work_flush_delayable(struct k_work_delayable* dwork, struct k_work_sync*) {
  Guard guard(settled);
  if (Has(dwork->work, K_WORK_DELAYED)) {
    k_work_q* const queue = dwork->queue;
    Unschedule(*dwork);
    Submit(queue, dwork->work);
  }
  return Flush(guard, dwork->work);
}

int k_work_cancel_delayable(struct k_work_delayable* dwork) {
  Guard guard(settled);
  Unschedule(*dwork);
  return Cancel(dwork->work);
}

bool k_work_cancel_delayable_sync(struct k_work_delayable* dwork, struct k_work_sync*) {
  Guard guard(settled);
  const bool was_pending = dwork->work.flags != 0;
  Unschedule(*dwork);
  Cancel(dwork->work);
  AwaitEndOfRun(guard, dwork->work);
  return was_pending;
}

}  // extern "C"
