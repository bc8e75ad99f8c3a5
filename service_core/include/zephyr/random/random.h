/*
 * Random numbers from the kernel's generator; every function is fit for secrets.
 *
 * Source: Zephyr API documentation, "Random Number Generation"; getrandom(2).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_RANDOM_RANDOM_H_
#define ZEPHYR_RANDOM_RANDOM_H_

#include <zephyr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

void sys_rand_get(void *target, size_t length);
uint8_t sys_rand8_get(void);
uint16_t sys_rand16_get(void);
uint32_t sys_rand32_get(void);
uint64_t sys_rand64_get(void);

/* 0. */
int sys_csrand_get(void *target, size_t length);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_RANDOM_RANDOM_H_ */
