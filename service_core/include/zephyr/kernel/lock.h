/*
 * Mutexes, semaphores and condition variables. Included by zephyr/kernel.h.
 *
 * Objects are defined by their K_..._DEFINE macro or initialised by their init
 * function before any other use, and must not be destroyed while a thread waits.
 *
 * Source: Zephyr API documentation, "Mutexes", "Semaphores", "Condition Variables".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_LOCK_H_
#define ZEPHYR_KERNEL_LOCK_H_

#include <zephyr/kernel/wait_queue.h>
#include <zephyr/sys_clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Mutex ---------------------------------------------------------------------- */

/* Recursive, owned by one thread. Owners do not inherit priority. */
struct k_mutex {
  struct sockhost_wait_queue wait_q;
  pthread_t owner;
  /* 0: free. */
  uint32_t lock_count;
};

#define SOCKHOST_MUTEX_INITIALIZER \
  { SOCKHOST_WAIT_QUEUE_INITIALIZER, 0, 0 }
#define K_MUTEX_DEFINE(name) struct k_mutex name = SOCKHOST_MUTEX_INITIALIZER

/* 0. */
int k_mutex_init(struct k_mutex *mutex);

/* 0; -EBUSY: locked, and no waiting was asked for; -EAGAIN: timed out. */
int k_mutex_lock(struct k_mutex *mutex, k_timeout_t timeout);

/* 0; -EPERM: locked by another thread; -EINVAL: not locked. */
int k_mutex_unlock(struct k_mutex *mutex);

/* ---- Semaphore -------------------------------------------------------------------- */

struct k_sem {
  struct sockhost_wait_queue wait_q;
  unsigned int count;
  unsigned int limit;
};

#define K_SEM_MAX_LIMIT UINT32_MAX

#define SOCKHOST_SEM_INITIALIZER(initial_count, count_limit) \
  { SOCKHOST_WAIT_QUEUE_INITIALIZER, (initial_count), (count_limit) }
#define K_SEM_DEFINE(name, initial_count, count_limit) \
  struct k_sem name = SOCKHOST_SEM_INITIALIZER(initial_count, count_limit)

/* 0; -EINVAL: limit is 0, or less than initial_count. */
int k_sem_init(struct k_sem *sem, unsigned int initial_count, unsigned int limit);

/* 0; -EBUSY: nothing to take, and no waiting was asked for; -EAGAIN: timed out, or
 * the semaphore was reset meanwhile. */
int k_sem_take(struct k_sem *sem, k_timeout_t timeout);

/* Lets the first waiting thread pass; else counts up to the limit. */
void k_sem_give(struct k_sem *sem);

/* Sets the count to 0; threads that wait get -EAGAIN. */
void k_sem_reset(struct k_sem *sem);

unsigned int k_sem_count_get(struct k_sem *sem);

/* ---- Condition variable ------------------------------------------------------------ */

struct k_condvar {
  struct sockhost_wait_queue wait_q;
};

#define K_CONDVAR_DEFINE(name) struct k_condvar name = {SOCKHOST_WAIT_QUEUE_INITIALIZER}

/* 0. */
int k_condvar_init(struct k_condvar *condvar);

/* Unlocks `mutex` once, waits, and locks it again however long that takes.
 * 0: signalled; -EAGAIN: timed out. `mutex` is locked once by the caller. */
int k_condvar_wait(struct k_condvar *condvar, struct k_mutex *mutex, k_timeout_t timeout);

/* Wakes one waiting thread. 0. */
int k_condvar_signal(struct k_condvar *condvar);

/* Wakes all of them. Their number. */
int k_condvar_broadcast(struct k_condvar *condvar);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_LOCK_H_ */
