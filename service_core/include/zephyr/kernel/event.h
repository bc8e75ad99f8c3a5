/*
 * Event objects: 32 flags that threads wait for. Included by zephyr/kernel.h.
 *
 * Source: Zephyr API documentation, "Events".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_EVENT_H_
#define ZEPHYR_KERNEL_EVENT_H_

#include <zephyr/kernel/wait_queue.h>
#include <zephyr/sys_clock.h>

#ifdef __cplusplus
extern "C" {
#endif

struct k_event {
  struct sockhost_wait_queue wait_q;
  uint32_t events;
};

#define K_EVENT_DEFINE(name) struct k_event name = {SOCKHOST_WAIT_QUEUE_INITIALIZER, 0}

void k_event_init(struct k_event *event);

/* Each changes the flags, wakes every thread that waits for what is set now, and
 * returns what the flags it named were before. post sets `events` beside those set,
 * set sets exactly these, set_masked replaces those in `mask`, clear clears. */
uint32_t k_event_post(struct k_event *event, uint32_t events);
uint32_t k_event_set(struct k_event *event, uint32_t events);
uint32_t k_event_set_masked(struct k_event *event, uint32_t events, uint32_t mask);
uint32_t k_event_clear(struct k_event *event, uint32_t events);

/* Which of `mask` are set. */
uint32_t k_event_test(struct k_event *event, uint32_t mask);

/*
 * Waits for any (all) of `events` and returns those that are set; 0: timed out, or
 * there are none to wait for. `reset` clears all flags first. The safe variants clear
 * what they return, in one step.
 */
uint32_t k_event_wait(struct k_event *event, uint32_t events, bool reset, k_timeout_t timeout);
uint32_t k_event_wait_all(struct k_event *event, uint32_t events, bool reset, k_timeout_t timeout);
uint32_t k_event_wait_safe(struct k_event *event, uint32_t events, bool reset, k_timeout_t timeout);
uint32_t k_event_wait_all_safe(struct k_event *event, uint32_t events, bool reset,
                               k_timeout_t timeout);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_EVENT_H_ */
