/*
 * Assertions. As in Zephyr they are compiled in only if CONFIG_ASSERT is 1; one
 * that fails then logs and aborts the process.
 *
 * Source: Zephyr API documentation, "Fatal Errors", assertions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_ASSERT_H_
#define ZEPHYR_SYS_ASSERT_H_

#include <zephyr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Not for direct use. */
FUNC_NORETURN void sockhost_assert_failed(const char *condition, const char *file, int line,
                                          const char *format, ...) __printf_like(4, 5);

#if defined(CONFIG_ASSERT) && CONFIG_ASSERT
#define __ASSERT_ON 1
#define __ASSERT(condition, ...)                                               \
  do {                                                                         \
    if (!(condition)) {                                                        \
      sockhost_assert_failed(#condition, __FILE__, __LINE__, " " __VA_ARGS__); \
    }                                                                          \
  } while (0)
#else
/* The condition may name what exists in builds with assertions only. */
#define __ASSERT_ON 0
#define __ASSERT(condition, ...) \
  do {                           \
  } while (0)
#endif

#define __ASSERT_NO_MSG(condition) __ASSERT(condition, "")

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_ASSERT_H_ */
