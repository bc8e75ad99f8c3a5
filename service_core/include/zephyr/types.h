/*
 * The fixed-width and POSIX integer types that Zephyr sources take for granted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_TYPES_H_
#define ZEPHYR_TYPES_H_

#include <zephyr/toolchain.h>
/* The C library, now that the line above has chosen what it declares. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#endif /* ZEPHYR_TYPES_H_ */
