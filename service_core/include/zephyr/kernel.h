/*
 * The part of Zephyr's kernel API that applications built on socket services
 * use, on Linux threads. Not an RTOS: threads are scheduled by Linux, priorities
 * and stack sizes are accepted and ignored, and interrupts do not exist.
 *
 * Thread rule of every kernel function: any thread. Inside a handler of a socket
 * service none may wait: K_NO_WAIT, or a lock that is held for moments only.
 * Every wait measures time with the monotonic clock.
 *
 * Source: Zephyr API documentation, "Kernel Services".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_H_
#define ZEPHYR_KERNEL_H_

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/init.h>
#include <zephyr/kernel/event.h>
#include <zephyr/kernel/lock.h>
#include <zephyr/kernel/mem_slab.h>
#include <zephyr/kernel/queue.h>
#include <zephyr/kernel/thread.h>
#include <zephyr/kernel/timer.h>
#include <zephyr/kernel/work.h>
#include <zephyr/spinlock.h>
#include <zephyr/sys/__assert.h>
#include <zephyr/sys/atomic.h>
#include <zephyr/sys/printk.h>
#include <zephyr/sys/util.h>
#include <zephyr/sys_clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Uptime -------------------------------------------------------------------- */

/* Milliseconds since the process started. */
int64_t k_uptime_get(void);
static inline uint32_t k_uptime_get_32(void) { return (uint32_t)k_uptime_get(); }
static inline uint32_t k_uptime_seconds(void) {
  return (uint32_t)(k_uptime_get() / (int64_t)MSEC_PER_SEC);
}
static inline int64_t k_uptime_ticks(void) { return sys_clock_tick_get(); }

/* Milliseconds since `*reference`, which becomes now. */
static inline int64_t k_uptime_delta(int64_t *reference) {
  const int64_t now = k_uptime_get();
  const int64_t delta = now - *reference;
  *reference = now;
  return delta;
}

/* ---- Memory -------------------------------------------------------------------- */

/* The C library's heap; NULL when there is none left. */
static inline void *k_malloc(size_t size) { return malloc(size); }
static inline void *k_calloc(size_t count, size_t size) { return calloc(count, size); }
static inline void *k_realloc(void *memory, size_t size) { return realloc(memory, size); }
/* `align`: a power of 2, or 0 for that of a pointer. */
void *k_aligned_alloc(size_t align, size_t size);
static inline void k_free(void *memory) { free(memory); }

/* ---- Errors that nothing can mend ------------------------------------------------ */

/* Both log where they stand and abort the process. */
#define k_panic() sockhost_panic("k_panic", __FILE__, __LINE__)
#define k_oops() sockhost_panic("k_oops", __FILE__, __LINE__)
FUNC_NORETURN void sockhost_panic(const char *what, const char *file, int line);

/* ---- Interrupts ------------------------------------------------------------------ */

static inline bool k_is_in_isr(void) { return false; }
static inline bool k_is_pre_kernel(void) { return false; }

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_H_ */
