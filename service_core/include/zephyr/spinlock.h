/*
 * Spin locks and the interrupt lock, as locks between threads. Included by
 * zephyr/kernel.h.
 *
 * There are no interrupts to keep out and no scheduler to stop: code that takes the
 * same lock is kept out, everything else goes on. A thread that finds the lock
 * taken sleeps. Neither may be held over a call that waits.
 *
 * Thread rule: any thread and inside handlers, for moments only.
 *
 * Source: Zephyr API documentation, "Spinlocks", "Interrupts".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SPINLOCK_H_
#define ZEPHYR_SPINLOCK_H_

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <errno.h>
#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Spin lock ------------------------------------------------------------------ */

/* Free when it is all zeros, as a static one is. Not recursive. */
struct k_spinlock {
  pthread_mutex_t mutex;
};

/* What k_spin_lock() returns and k_spin_unlock() takes; it holds nothing. */
typedef struct sockhost_spinlock_key {
  int unused;
} k_spinlock_key_t;

static inline k_spinlock_key_t k_spin_lock(struct k_spinlock *lock) {
  const k_spinlock_key_t key = {0};
  pthread_mutex_lock(&lock->mutex);
  return key;
}

/* 0, or -EBUSY: taken. */
static inline int k_spin_trylock(struct k_spinlock *lock, k_spinlock_key_t *key) {
  if (pthread_mutex_trylock(&lock->mutex) != 0) return -EBUSY;
  key->unused = 0;
  return 0;
}

/* By the thread that took it. */
static inline void k_spin_unlock(struct k_spinlock *lock, k_spinlock_key_t key) {
  (void)key;
  pthread_mutex_unlock(&lock->mutex);
}

/* Not for direct use: the state of a K_SPINLOCK block. */
struct sockhost_spinlock_block {
  struct k_spinlock *lock;
  k_spinlock_key_t key;
  bool done;
};

static inline struct sockhost_spinlock_block sockhost_spinlock_enter(struct k_spinlock *lock) {
  const struct sockhost_spinlock_block block = {lock, k_spin_lock(lock), false};
  return block;
}

static inline void sockhost_spinlock_leave(struct sockhost_spinlock_block *block) {
  k_spin_unlock(block->lock, block->key);
}

/* K_SPINLOCK(&lock) { ... }: however the block is left, the lock is given back.
 * K_SPINLOCK_BREAK leaves it. */
#define K_SPINLOCK(lock)                                                                      \
  for (struct sockhost_spinlock_block sockhost_spinlock_held                                  \
       __attribute__((__cleanup__(sockhost_spinlock_leave))) = sockhost_spinlock_enter(lock); \
       !sockhost_spinlock_held.done; sockhost_spinlock_held.done = true)
#define K_SPINLOCK_BREAK continue

/* ---- Interrupt lock --------------------------------------------------------------- */

/* One recursive lock for the whole process. */
unsigned int sockhost_irq_lock(void);
void sockhost_irq_unlock(unsigned int key);
#define irq_lock() sockhost_irq_lock()
#define irq_unlock(key) sockhost_irq_unlock(key)

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SPINLOCK_H_ */
