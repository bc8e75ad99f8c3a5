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

/* <time.h> may not have it: see zephyr/toolchain.h. */
struct timespec;

#define SYS_CLOCK_REALTIME CLOCK_REALTIME
#define SYS_CLOCK_MONOTONIC CLOCK_MONOTONIC

#ifdef __cplusplus
extern "C" {
#endif

/* 0, or a negative errno. */
int sys_clock_gettime(int clock_id, struct timespec *time);

/* 0, or a negative errno: -EPERM for a process without CAP_SYS_TIME. */
int sys_clock_settime(int clock_id, const struct timespec *time);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_CLOCK_FUNCTIONS_H_ */
