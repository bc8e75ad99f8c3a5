/*
 * Printing to standard output, and into buffers.
 *
 * Source: Zephyr API documentation, "Formatted Output".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_PRINTK_H_
#define ZEPHYR_SYS_PRINTK_H_

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <inttypes.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Written out at once, not buffered. Any thread. */
void printk(const char *format, ...) __printf_like(1, 2);
void vprintk(const char *format, va_list arguments) __printf_like(1, 0);

/* As snprintf(3) and vsnprintf(3). */
int snprintk(char *buffer, size_t size, const char *format, ...) __printf_like(3, 4);
int vsnprintk(char *buffer, size_t size, const char *format, va_list arguments) __printf_like(3, 0);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_PRINTK_H_ */
