/*
 * FIFOs, LIFOs and message queues. Included by zephyr/kernel.h.
 *
 * Source: Zephyr API documentation, "FIFOs", "LIFOs", "Message Queues".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_QUEUE_H_
#define ZEPHYR_KERNEL_QUEUE_H_

#include <zephyr/kernel/wait_queue.h>
#include <zephyr/sys_clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- FIFO and LIFO ---------------------------------------------------------------- */

/* Items are the application's memory; their first word is the queue's while they
 * are in it. */
struct k_queue {
  struct sockhost_wait_queue wait_q;
  void *head;
  void *tail;
};

struct k_fifo {
  struct k_queue _queue;
};

struct k_lifo {
  struct k_queue _queue;
};

#define SOCKHOST_QUEUE_INITIALIZER \
  { SOCKHOST_WAIT_QUEUE_INITIALIZER, NULL, NULL }
#define K_FIFO_DEFINE(name) struct k_fifo name = {SOCKHOST_QUEUE_INITIALIZER}
#define K_LIFO_DEFINE(name) struct k_lifo name = {SOCKHOST_QUEUE_INITIALIZER}

void k_queue_init(struct k_queue *queue);
void k_queue_append(struct k_queue *queue, void *data);
void k_queue_prepend(struct k_queue *queue, void *data);
/* The first item; NULL: none came in time, or the wait was cancelled. */
void *k_queue_get(struct k_queue *queue, k_timeout_t timeout);
/* The first thread that waits gets NULL. */
void k_queue_cancel_wait(struct k_queue *queue);
bool k_queue_remove(struct k_queue *queue, void *data);
/* The item, which stays in the queue; NULL if it is empty. */
void *k_queue_peek_head(struct k_queue *queue);
void *k_queue_peek_tail(struct k_queue *queue);
static inline int k_queue_is_empty(struct k_queue *queue) {
  return k_queue_peek_head(queue) == NULL;
}

#define k_fifo_init(fifo) k_queue_init(&(fifo)->_queue)
#define k_fifo_put(fifo, data) k_queue_append(&(fifo)->_queue, data)
#define k_fifo_get(fifo, timeout) k_queue_get(&(fifo)->_queue, timeout)
#define k_fifo_cancel_wait(fifo) k_queue_cancel_wait(&(fifo)->_queue)
#define k_fifo_is_empty(fifo) k_queue_is_empty(&(fifo)->_queue)
#define k_fifo_peek_head(fifo) k_queue_peek_head(&(fifo)->_queue)
#define k_fifo_peek_tail(fifo) k_queue_peek_tail(&(fifo)->_queue)

#define k_lifo_init(lifo) k_queue_init(&(lifo)->_queue)
#define k_lifo_put(lifo, data) k_queue_prepend(&(lifo)->_queue, data)
#define k_lifo_get(lifo, timeout) k_queue_get(&(lifo)->_queue, timeout)

/* ---- Message queue ------------------------------------------------------------------ */

/* A ring of `max_msgs` messages of `msg_size` bytes, which are copied. */
struct k_msgq {
  struct sockhost_wait_queue readers;
  /* Guarded by readers.guard, as everything here. */
  struct sockhost_wait_queue writers;
  size_t msg_size;
  uint32_t max_msgs;
  uint32_t used_msgs;
  uint32_t first;
  char *buffer;
  bool owns_buffer;
};

#define K_MSGQ_DEFINE(name, size, count, align)                               \
  static char __aligned(align) sockhost_msgq_buffer_##name[(size) * (count)]; \
  struct k_msgq name = {SOCKHOST_WAIT_QUEUE_INITIALIZER,                      \
                        SOCKHOST_WAIT_QUEUE_INITIALIZER,                      \
                        (size),                                               \
                        (count),                                              \
                        0,                                                    \
                        0,                                                    \
                        sockhost_msgq_buffer_##name,                          \
                        false}

void k_msgq_init(struct k_msgq *msgq, char *buffer, size_t msg_size, uint32_t max_msgs);
/* With memory of the heap. 0; -ENOMEM. */
int k_msgq_alloc_init(struct k_msgq *msgq, size_t msg_size, uint32_t max_msgs);
/* Frees that memory. 0; -EBUSY: a thread waits. */
int k_msgq_cleanup(struct k_msgq *msgq);

/* 0; -ENOMSG: full, or empty, and no waiting was asked for, or purged meanwhile;
 * -EAGAIN: timed out. */
int k_msgq_put(struct k_msgq *msgq, const void *data, k_timeout_t timeout);
int k_msgq_get(struct k_msgq *msgq, void *data, k_timeout_t timeout);
/* 0; -ENOMSG: empty. */
int k_msgq_peek(struct k_msgq *msgq, void *data);

/* Drops all messages; threads that wait to put get -ENOMSG. */
void k_msgq_purge(struct k_msgq *msgq);
uint32_t k_msgq_num_used_get(struct k_msgq *msgq);
uint32_t k_msgq_num_free_get(struct k_msgq *msgq);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_QUEUE_H_ */
