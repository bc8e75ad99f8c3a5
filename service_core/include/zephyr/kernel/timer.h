/*
 * Timers. Included by zephyr/kernel.h.
 *
 * Expiry functions of all timers run on one thread, one after the other, where
 * Zephyr has an interrupt: they must not wait.
 *
 * Source: Zephyr API documentation, "Timers".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_TIMER_H_
#define ZEPHYR_KERNEL_TIMER_H_

#include <zephyr/kernel/work.h>

#ifdef __cplusplus
extern "C" {
#endif

struct k_timer;

typedef void (*k_timer_expiry_t)(struct k_timer *timer);
typedef void (*k_timer_stop_t)(struct k_timer *timer);

/* The fields are the library's. */
struct k_timer {
  struct k_work_delayable work;
  struct sockhost_wait_queue wait_q;
  k_timer_expiry_t expiry_fn;
  k_timer_stop_t stop_fn;
  void *user_data;
  k_ticks_t period;
  uint32_t status;
  bool running;
};

/* Not for direct use: the handler of every timer's work item. */
void sockhost_timer_expire(struct k_work *work);

#define K_TIMER_DEFINE(name, expiry_fn, stop_fn)                                     \
  struct k_timer name = {SOCKHOST_WORK_DELAYABLE_INITIALIZER(sockhost_timer_expire), \
                         SOCKHOST_WAIT_QUEUE_INITIALIZER,                            \
                         (expiry_fn),                                                \
                         (stop_fn),                                                  \
                         NULL,                                                       \
                         0,                                                          \
                         0,                                                          \
                         false}

/* Either function may be NULL. */
void k_timer_init(struct k_timer *timer, k_timer_expiry_t expiry_fn, k_timer_stop_t stop_fn);

/* Expires after `duration`, then every `period` (K_NO_WAIT or K_FOREVER: once). A
 * running timer starts anew; its status is 0 again. */
void k_timer_start(struct k_timer *timer, k_timeout_t duration, k_timeout_t period);

/* Calls stop_fn if the timer runs. When it returns the expiry function is not
 * running, except if that is who calls. */
void k_timer_stop(struct k_timer *timer);

/* Expirations since the last reading. status_sync waits for the first one and its
 * expiry function; 0: the timer was stopped, or that function started it anew. */
uint32_t k_timer_status_get(struct k_timer *timer);
uint32_t k_timer_status_sync(struct k_timer *timer);

/* Until the next expiration; 0: it does not run. */
k_ticks_t k_timer_remaining_ticks(const struct k_timer *timer);
static inline uint32_t k_timer_remaining_get(struct k_timer *timer) {
  return k_ticks_to_ms_floor32((uint64_t)k_timer_remaining_ticks(timer));
}

static inline void k_timer_user_data_set(struct k_timer *timer, void *user_data) {
  timer->user_data = user_data;
}
static inline void *k_timer_user_data_get(const struct k_timer *timer) { return timer->user_data; }

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_TIMER_H_ */
