/*
 * Work items and work queues. Included by zephyr/kernel.h.
 *
 * A work queue is one thread that calls the handlers of submitted items, one after
 * the other. The system work queue starts with the first item. Items belong to
 * the application and must outlive their last use; a queue is never destroyed.
 *
 * Source: Zephyr API documentation, "Workqueue Threads".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_WORK_H_
#define ZEPHYR_KERNEL_WORK_H_

#include <zephyr/kernel/thread.h>

#ifdef __cplusplus
extern "C" {
#endif

struct k_work;
struct k_work_q;

typedef void (*k_work_handler_t)(struct k_work *work);

/* Bits of k_work_busy_get(). */
enum {
  K_WORK_RUNNING = 1 << 0,
  K_WORK_CANCELING = 1 << 1,
  K_WORK_QUEUED = 1 << 2,
  K_WORK_DELAYED = 1 << 3,
};

/* The fields are the library's. */
struct k_work {
  struct k_work *next;
  k_work_handler_t handler;
  struct k_work_q *queue;
  uint32_t flags;
  /* Submissions that have been run or taken back; wraps around. */
  uint32_t settled;
};

struct k_work_delayable {
  struct k_work work;
  struct k_work_delayable *next;
  struct k_work_q *queue;
  k_ticks_t due;
};

/* Zephyr keeps a waiter here; this library does not need it. */
struct k_work_sync {
  char unused;
};

struct k_work_queue_config {
  const char *name;
  bool no_yield;
  bool essential;
};

struct k_work_q {
  struct k_thread thread;
  /* The queue's thread waits here. */
  struct sockhost_wait_queue wait_q;
  struct k_work *first;
  struct k_work *last;
  /* In order of their due time. */
  struct k_work_delayable *delayed;
  bool started;
};

extern struct k_work_q k_sys_work_q;

#define SOCKHOST_WORK_INITIALIZER(handler) \
  { NULL, (handler), NULL, 0, 0 }
#define SOCKHOST_WORK_DELAYABLE_INITIALIZER(handler) \
  { SOCKHOST_WORK_INITIALIZER(handler), NULL, NULL, 0 }
#define K_WORK_DEFINE(name, handler) struct k_work name = SOCKHOST_WORK_INITIALIZER(handler)
#define K_WORK_DELAYABLE_DEFINE(name, handler) \
  struct k_work_delayable name = SOCKHOST_WORK_DELAYABLE_INITIALIZER(handler)

/* ---- Queues -------------------------------------------------------------------------- */

void k_work_queue_init(struct k_work_q *queue);

/* Starts the thread of `queue`. `config` may be NULL. */
void k_work_queue_start(struct k_work_q *queue, k_thread_stack_t *stack, size_t stack_size,
                        int prio, const struct k_work_queue_config *config);
static inline k_tid_t k_work_queue_thread_get(struct k_work_q *queue) { return &queue->thread; }

/* ---- Items ---------------------------------------------------------------------------- */

void k_work_init(struct k_work *work, k_work_handler_t handler);

/*
 * 0: it was queued already; 1: queued; 2: it runs, and is queued again behind the
 * others of the queue that runs it; -EBUSY: it is being cancelled; -ENODEV: the
 * queue was not started, or the system had no thread for it; -EINVAL: `queue` is NULL.
 */
int k_work_submit_to_queue(struct k_work_q *queue, struct k_work *work);
int k_work_submit(struct k_work *work);

/* Bits of the enum above; 0: idle. */
int k_work_busy_get(const struct k_work *work);
static inline bool k_work_is_pending(const struct k_work *work) {
  return k_work_busy_get(work) != 0;
}

/* Waits until every run asked for so far has ended. False: nothing to wait for. Not
 * from the queue's own thread. */
bool k_work_flush(struct k_work *work, struct k_work_sync *sync);

/* Takes it out of its queue; does not stop a run. What is still going on, as
 * k_work_busy_get() says it: 0, or K_WORK_RUNNING | K_WORK_CANCELING. */
int k_work_cancel(struct k_work *work);

/* As above, and waits for a run to end. True: it was pending. In the item's own
 * handler it does not wait. */
bool k_work_cancel_sync(struct k_work *work, struct k_work_sync *sync);

/* ---- Items with a delay ----------------------------------------------------------------- */

void k_work_init_delayable(struct k_work_delayable *dwork, k_work_handler_t handler);
static inline struct k_work_delayable *k_work_delayable_from_work(struct k_work *work) {
  return CONTAINER_OF(work, struct k_work_delayable, work);
}

/*
 * Submits `dwork` after `delay`. schedule leaves an item alone that is scheduled or
 * queued (0); reschedule starts the delay anew. 1: scheduled, or queued if there is no
 * delay; 2: queued while it runs; errors as k_work_submit().
 */
int k_work_schedule_for_queue(struct k_work_q *queue, struct k_work_delayable *dwork,
                              k_timeout_t delay);
int k_work_schedule(struct k_work_delayable *dwork, k_timeout_t delay);
int k_work_reschedule_for_queue(struct k_work_q *queue, struct k_work_delayable *dwork,
                                k_timeout_t delay);
int k_work_reschedule(struct k_work_delayable *dwork, k_timeout_t delay);

int k_work_delayable_busy_get(const struct k_work_delayable *dwork);
static inline bool k_work_delayable_is_pending(const struct k_work_delayable *dwork) {
  return k_work_delayable_busy_get(dwork) != 0;
}

/* The uptime at which it is due, and what is left until then (0: not scheduled). */
k_ticks_t k_work_delayable_expires_get(const struct k_work_delayable *dwork);
k_ticks_t k_work_delayable_remaining_get(const struct k_work_delayable *dwork);

/* As for items without a delay. Flushing one that is scheduled runs it at once. */
bool k_work_flush_delayable(struct k_work_delayable *dwork, struct k_work_sync *sync);
int k_work_cancel_delayable(struct k_work_delayable *dwork);
bool k_work_cancel_delayable_sync(struct k_work_delayable *dwork, struct k_work_sync *sync);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_WORK_H_ */
