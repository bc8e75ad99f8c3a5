/*
 * Checks of tests. zassert_ ends the test as failed, zassume_ ends it as skipped,
 * zexpect_ marks it as failed and goes on. Each may be followed by a message in
 * the manner of printf.
 *
 * In a thread other than the test's (a handler, for instance) a failed check marks
 * the test and returns.
 *
 * Source: Zephyr API documentation, "Test Framework", assertions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_ZTEST_ASSERT_H_
#define ZEPHYR_ZTEST_ASSERT_H_

#include <zephyr/ztest_test.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sockhost_check_kind { SOCKHOST_CHECK_ASSERT, SOCKHOST_CHECK_ASSUME, SOCKHOST_CHECK_EXPECT };

/* Not for direct use. `format` may be NULL. */
void sockhost_check_failed(enum sockhost_check_kind kind, const char *what, const char *file,
                           int line, const char *format, ...);

#ifdef __cplusplus
}
#endif

/* The arguments end with a NULL, which is the message if the caller gave none. */
#define SOCKHOST_CHECK(kind, ok, what, ...)                                            \
  do {                                                                                 \
    if (!(ok)) sockhost_check_failed(kind, what, __FILE__, __LINE__, __VA_ARGS__);     \
  } while (0)

#define SOCKHOST_CHECK_TRUE(kind, cond, ...) \
  SOCKHOST_CHECK(kind, (cond), #cond " is false", __VA_ARGS__)
#define SOCKHOST_CHECK_FALSE(kind, cond, ...) \
  SOCKHOST_CHECK(kind, !(cond), #cond " is true", __VA_ARGS__)
#define SOCKHOST_CHECK_OK(kind, cond, ...) \
  SOCKHOST_CHECK(kind, (cond) == 0, #cond " is not 0", __VA_ARGS__)
#define SOCKHOST_CHECK_NOT_OK(kind, cond, ...) \
  SOCKHOST_CHECK(kind, (cond) != 0, #cond " is 0", __VA_ARGS__)
#define SOCKHOST_CHECK_NULL(kind, ptr, ...) \
  SOCKHOST_CHECK(kind, (ptr) == NULL, #ptr " is not NULL", __VA_ARGS__)
#define SOCKHOST_CHECK_NOT_NULL(kind, ptr, ...) \
  SOCKHOST_CHECK(kind, (ptr) != NULL, #ptr " is NULL", __VA_ARGS__)
#define SOCKHOST_CHECK_EQUAL(kind, a, b, ...) \
  SOCKHOST_CHECK(kind, (a) == (b), #a " is not equal to " #b, __VA_ARGS__)
#define SOCKHOST_CHECK_NOT_EQUAL(kind, a, b, ...) \
  SOCKHOST_CHECK(kind, (a) != (b), #a " is equal to " #b, __VA_ARGS__)
#define SOCKHOST_CHECK_EQUAL_PTR(kind, a, b, ...)                                      \
  SOCKHOST_CHECK(kind, (const void *)(a) == (const void *)(b), #a " is not equal to " #b, \
                 __VA_ARGS__)
#define SOCKHOST_CHECK_WITHIN(kind, a, b, delta, ...)                                  \
  SOCKHOST_CHECK(kind, (a) >= (b) - (delta) && (a) <= (b) + (delta),                   \
                 #a " is not within " #delta " of " #b, __VA_ARGS__)
#define SOCKHOST_CHECK_BETWEEN(kind, a, low, high, ...)                                \
  SOCKHOST_CHECK(kind, (a) >= (low) && (a) <= (high),                                  \
                 #a " is not between " #low " and " #high, __VA_ARGS__)
#define SOCKHOST_CHECK_MEM_EQUAL(kind, a, b, size, ...) \
  SOCKHOST_CHECK(kind, memcmp(a, b, size) == 0, #a " differs from " #b, __VA_ARGS__)
#define SOCKHOST_CHECK_STR_EQUAL(kind, a, b, ...) \
  SOCKHOST_CHECK(kind, strcmp(a, b) == 0, #a " differs from " #b, __VA_ARGS__)

#define zassert_true(...) SOCKHOST_CHECK_TRUE(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_false(...) SOCKHOST_CHECK_FALSE(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_ok(...) SOCKHOST_CHECK_OK(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_not_ok(...) SOCKHOST_CHECK_NOT_OK(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_is_null(...) SOCKHOST_CHECK_NULL(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_not_null(...) SOCKHOST_CHECK_NOT_NULL(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_equal(...) SOCKHOST_CHECK_EQUAL(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_not_equal(...) SOCKHOST_CHECK_NOT_EQUAL(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_equal_ptr(...) SOCKHOST_CHECK_EQUAL_PTR(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_within(...) SOCKHOST_CHECK_WITHIN(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_between_inclusive(...) \
  SOCKHOST_CHECK_BETWEEN(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_mem_equal(...) SOCKHOST_CHECK_MEM_EQUAL(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_str_equal(...) SOCKHOST_CHECK_STR_EQUAL(SOCKHOST_CHECK_ASSERT, __VA_ARGS__, NULL)
#define zassert_unreachable(...) SOCKHOST_CHECK(SOCKHOST_CHECK_ASSERT, 0, "was reached", __VA_ARGS__)

#define zassume_true(...) SOCKHOST_CHECK_TRUE(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_false(...) SOCKHOST_CHECK_FALSE(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_ok(...) SOCKHOST_CHECK_OK(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_not_ok(...) SOCKHOST_CHECK_NOT_OK(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_is_null(...) SOCKHOST_CHECK_NULL(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_not_null(...) SOCKHOST_CHECK_NOT_NULL(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_equal(...) SOCKHOST_CHECK_EQUAL(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_not_equal(...) SOCKHOST_CHECK_NOT_EQUAL(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_equal_ptr(...) SOCKHOST_CHECK_EQUAL_PTR(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_within(...) SOCKHOST_CHECK_WITHIN(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_between_inclusive(...) \
  SOCKHOST_CHECK_BETWEEN(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_mem_equal(...) SOCKHOST_CHECK_MEM_EQUAL(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_str_equal(...) SOCKHOST_CHECK_STR_EQUAL(SOCKHOST_CHECK_ASSUME, __VA_ARGS__, NULL)
#define zassume_unreachable(...) SOCKHOST_CHECK(SOCKHOST_CHECK_ASSUME, 0, "was reached", __VA_ARGS__)

#define zexpect_true(...) SOCKHOST_CHECK_TRUE(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_false(...) SOCKHOST_CHECK_FALSE(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_ok(...) SOCKHOST_CHECK_OK(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_not_ok(...) SOCKHOST_CHECK_NOT_OK(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_is_null(...) SOCKHOST_CHECK_NULL(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_not_null(...) SOCKHOST_CHECK_NOT_NULL(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_equal(...) SOCKHOST_CHECK_EQUAL(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_not_equal(...) SOCKHOST_CHECK_NOT_EQUAL(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_equal_ptr(...) SOCKHOST_CHECK_EQUAL_PTR(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_within(...) SOCKHOST_CHECK_WITHIN(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_between_inclusive(...) \
  SOCKHOST_CHECK_BETWEEN(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_mem_equal(...) SOCKHOST_CHECK_MEM_EQUAL(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_str_equal(...) SOCKHOST_CHECK_STR_EQUAL(SOCKHOST_CHECK_EXPECT, __VA_ARGS__, NULL)
#define zexpect_unreachable(...) SOCKHOST_CHECK(SOCKHOST_CHECK_EXPECT, 0, "was reached", __VA_ARGS__)

#endif /* ZEPHYR_ZTEST_ASSERT_H_ */
