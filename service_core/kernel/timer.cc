#include <zephyr/kernel.h>

#include <cerrno>

#include "kernel/wait.h"
#include "kernel/work.h"

using sockhost::kernel::Guard;
using sockhost::kernel::timer_queue;
using sockhost::kernel::Wait;
using sockhost::kernel::WakeAll;

namespace {

// The first multiple of the period after `due` that is not past: a process that
// was stopped for an hour does not catch up on an hour of expirations.
k_ticks_t NextDue(k_ticks_t due, k_ticks_t period) {
  const k_ticks_t late = sys_clock_tick_get() - due;
  return due + period + (late > 0 ? late / period * period : 0);
}

// True from a start until the delay is over.
bool IsDelayed(const k_timer& timer) {
  return (k_work_delayable_busy_get(&timer.work) & K_WORK_DELAYED) != 0;
}

// Counts an expiration and starts the next period. False: this one was taken back, as
// the timer was stopped, or started anew, when its turn had not come yet.
bool Expire(k_timer& timer) {
  Guard guard(timer.wait_q);
  if (!timer.running || IsDelayed(timer)) return false;
  ++timer.status;
  if (timer.period > 0) {
    const k_ticks_t due = NextDue(timer.work.due, timer.period);
    k_work_reschedule_for_queue(&timer_queue, &timer.work, K_TIMEOUT_ABS_TICKS(due));
  } else {
    timer.running = false;
  }
  return true;
}

uint32_t TakeStatus(k_timer& timer) {
  const uint32_t status = timer.status;
  timer.status = 0;
  return status;
}

}  // namespace

extern "C" {

void sockhost_timer_expire(struct k_work* work) {
  k_timer* const timer = CONTAINER_OF(k_work_delayable_from_work(work), struct k_timer, work);
  if (!Expire(*timer)) return;
  if (timer->expiry_fn) timer->expiry_fn(timer);
  // Not before: who has waited sees what the function did.
  Guard guard(timer->wait_q);
  WakeAll(timer->wait_q, 0);
}

void k_timer_init(struct k_timer* timer, k_timer_expiry_t expiry_fn, k_timer_stop_t stop_fn) {
  *timer = {SOCKHOST_WORK_DELAYABLE_INITIALIZER(sockhost_timer_expire),
            SOCKHOST_WAIT_QUEUE_INITIALIZER,
            expiry_fn,
            stop_fn,
            nullptr,
            0,
            0,
            false};
}

void k_timer_start(struct k_timer* timer, k_timeout_t duration, k_timeout_t period) {
  if (K_TIMEOUT_EQ(duration, K_FOREVER)) return;
  Guard guard(timer->wait_q);
  timer->period = K_TIMEOUT_EQ(period, K_FOREVER) ? 0 : period.ticks;
  timer->status = 0;
  timer->running = true;
  // Always by way of a delay: an item without one is refused while it is cancelled,
  // as it is when the expiry function stops and starts its own timer.
  k_work_reschedule_for_queue(&timer_queue, &timer->work,
                              K_TIMEOUT_EQ(duration, K_NO_WAIT) ? K_TICKS(1) : duration);
}

void k_timer_stop(struct k_timer* timer) {
  bool was_running;
  {
    Guard guard(timer->wait_q);
    was_running = timer->running;
    timer->running = false;
    WakeAll(timer->wait_q, 0);
  }
  k_work_sync sync;
  k_work_cancel_delayable_sync(&timer->work, &sync);
  if (was_running && timer->stop_fn) timer->stop_fn(timer);
}

uint32_t k_timer_status_get(struct k_timer* timer) {
  Guard guard(timer->wait_q);
  return TakeStatus(*timer);
}

uint32_t k_timer_status_sync(struct k_timer* timer) {
  Guard guard(timer->wait_q);
  if (timer->status == 0 && timer->running) Wait(guard, timer->wait_q, K_FOREVER);
  return TakeStatus(*timer);
}

k_ticks_t k_timer_remaining_ticks(const struct k_timer* timer) {
  return k_work_delayable_remaining_get(&timer->work);
}

}  // extern "C"
