/*
 * Timeouts and deadlines. One tick is one microsecond; time is that of
 * CLOCK_MONOTONIC and starts at 0 when the process starts.
 *
 * Source: Zephyr API documentation, "Kernel Timing".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_CLOCK_H_
#define ZEPHYR_SYS_CLOCK_H_

#include <zephyr/sys/time_units.h>
#include <zephyr/sys/util.h>
#include <zephyr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int64_t k_ticks_t;

/* How long to wait: >= 0 from now, K_FOREVER, or (< -1) until a point in time. */
typedef struct {
  k_ticks_t ticks;
} k_timeout_t;

#define K_TICKS_FOREVER ((k_ticks_t)-1)
#define SYS_FOREVER_MS (-1)
#define SYS_FOREVER_US (-1)

#ifdef __cplusplus
#define SOCKHOST_TIMEOUT(t) (k_timeout_t{static_cast<k_ticks_t>(t)})
#else
#define SOCKHOST_TIMEOUT(t) ((k_timeout_t){(k_ticks_t)(t)})
#endif

/* A negative duration is no wait, as in Zephyr. */
#define SOCKHOST_TICKS(n, unit) ((n) > 0 ? (k_ticks_t)(n) * (k_ticks_t)(unit) : 0)

#define K_NO_WAIT SOCKHOST_TIMEOUT(0)
#define K_FOREVER SOCKHOST_TIMEOUT(K_TICKS_FOREVER)
#define K_TICKS(t) SOCKHOST_TIMEOUT(t)
#define K_NSEC(t) SOCKHOST_TIMEOUT((t) > 0 ? ((k_ticks_t)(t) + 999) / 1000 : 0)
#define K_USEC(t) SOCKHOST_TIMEOUT(SOCKHOST_TICKS(t, 1))
#define K_MSEC(t) SOCKHOST_TIMEOUT(SOCKHOST_TICKS(t, 1000))
#define K_SECONDS(t) SOCKHOST_TIMEOUT(SOCKHOST_TICKS(t, 1000000))
#define K_MINUTES(t) SOCKHOST_TIMEOUT(SOCKHOST_TICKS(t, 60000000))
#define K_HOURS(t) SOCKHOST_TIMEOUT(SOCKHOST_TICKS(t, 3600000000))

/* Until the uptime reaches `t`. */
#define K_TIMEOUT_ABS_TICKS(t) \
  SOCKHOST_TIMEOUT(K_TICKS_FOREVER - 1 - (k_ticks_t)((t) > 0 ? (t) : 0))
#define K_TIMEOUT_ABS_US(t) K_TIMEOUT_ABS_TICKS(SOCKHOST_TICKS(t, 1))
#define K_TIMEOUT_ABS_MS(t) K_TIMEOUT_ABS_TICKS(SOCKHOST_TICKS(t, 1000))
#define K_TIMEOUT_ABS_SEC(t) K_TIMEOUT_ABS_TICKS(SOCKHOST_TICKS(t, 1000000))

#define K_TIMEOUT_EQ(a, b) ((a).ticks == (b).ticks)

/* A number of milliseconds in which SYS_FOREVER_MS is for ever. */
#define SYS_TIMEOUT_MS(ms) ((ms) == SYS_FOREVER_MS ? K_FOREVER : K_MSEC(ms))

/* ---- Points in time ------------------------------------------------------------ */

/* Uptime in ticks, and in ticks of 32 bits. */
int64_t sys_clock_tick_get(void);
static inline uint32_t sys_clock_tick_get_32(void) { return (uint32_t)sys_clock_tick_get(); }

/* ---- Cycles: nanoseconds of the monotonic clock ------------------------------------ */

uint64_t k_cycle_get_64(void);
/* Begins anew every 4.3 s; differences within that time are right. */
static inline uint32_t k_cycle_get_32(void) { return (uint32_t)k_cycle_get_64(); }
static inline unsigned int sys_clock_hw_cycles_per_sec(void) { return NSEC_PER_SEC; }

/* ---- Ends of timeouts --------------------------------------------------------------- */

typedef struct {
  uint64_t tick;
} k_timepoint_t;

/* The end of `timeout`, counted from now. */
k_timepoint_t sys_timepoint_calc(k_timeout_t timeout);

/* What is left until `timepoint`: K_NO_WAIT when it has passed. */
k_timeout_t sys_timepoint_timeout(k_timepoint_t timepoint);

static inline bool sys_timepoint_expired(k_timepoint_t timepoint) {
  return sys_timepoint_timeout(timepoint).ticks == 0;
}

/* < 0, 0 or > 0. */
static inline int sys_timepoint_cmp(k_timepoint_t a, k_timepoint_t b) {
  return a.tick == b.tick ? 0 : (a.tick < b.tick ? -1 : 1);
}

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_CLOCK_H_ */
