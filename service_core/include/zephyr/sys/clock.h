/*
 * Wall clock and monotonic clock as struct timespec.
 *
 * Source: Zephyr API documentation, "System Clock".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_CLOCK_FUNCTIONS_H_
#define ZEPHYR_SYS_CLOCK_FUNCTIONS_H_

#include <zephyr/sys_clock.h>
/* The C library, now that the line above has chosen what it declares. */
#include <errno.h>
#include <time.h>

#define SYS_CLOCK_REALTIME CLOCK_REALTIME
#define SYS_CLOCK_MONOTONIC CLOCK_MONOTONIC

#ifdef __cplusplus
extern "C" {
#endif

/* 0, or a negative errno. */
static inline int sys_clock_gettime(int clock_id, struct timespec *time) {
  return clock_gettime((clockid_t)clock_id, time) == 0 ? 0 : -errno;
}

/* 0, or a negative errno: -EPERM for a process without CAP_SYS_TIME. */
static inline int sys_clock_settime(int clock_id, const struct timespec *time) {
  return clock_settime((clockid_t)clock_id, time) == 0 ? 0 : -errno;
}

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_CLOCK_FUNCTIONS_H_ */
