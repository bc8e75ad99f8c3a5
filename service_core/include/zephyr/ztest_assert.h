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
#define SOCKHOST_CHECK(kind, what, ok, ...)                                        \
  do {                                                                             \
    if (!(ok)) sockhost_check_failed(kind, what, __FILE__, __LINE__, __VA_ARGS__); \
  } while (0)

#define SOCKHOST_CHECK_TRUE(kind, what, cond, ...) SOCKHOST_CHECK(kind, what, (cond), __VA_ARGS__)
#define SOCKHOST_CHECK_FALSE(kind, what, cond, ...) SOCKHOST_CHECK(kind, what, !(cond), __VA_ARGS__)
#define SOCKHOST_CHECK_OK(kind, what, cond, ...) \
  SOCKHOST_CHECK(kind, what, (cond) == 0, __VA_ARGS__)
#define SOCKHOST_CHECK_NOT_OK(kind, what, cond, ...) \
  SOCKHOST_CHECK(kind, what, (cond) != 0, __VA_ARGS__)
#define SOCKHOST_CHECK_NULL(kind, what, ptr, ...) \
  SOCKHOST_CHECK(kind, what, (ptr) == NULL, __VA_ARGS__)
#define SOCKHOST_CHECK_NOT_NULL(kind, what, ptr, ...) \
  SOCKHOST_CHECK(kind, what, (ptr) != NULL, __VA_ARGS__)
#define SOCKHOST_CHECK_EQUAL(kind, what, a, b, ...) \
  SOCKHOST_CHECK(kind, what, (a) == (b), __VA_ARGS__)
#define SOCKHOST_CHECK_NOT_EQUAL(kind, what, a, b, ...) \
  SOCKHOST_CHECK(kind, what, (a) != (b), __VA_ARGS__)
#define SOCKHOST_CHECK_EQUAL_PTR(kind, what, a, b, ...) \
  SOCKHOST_CHECK(kind, what, (const void *)(a) == (const void *)(b), __VA_ARGS__)
#define SOCKHOST_CHECK_WITHIN(kind, what, a, b, delta, ...) \
  SOCKHOST_CHECK(kind, what, (a) >= (b) - (delta) && (a) <= (b) + (delta), __VA_ARGS__)
#define SOCKHOST_CHECK_BETWEEN(kind, what, a, low, high, ...) \
  SOCKHOST_CHECK(kind, what, (a) >= (low) && (a) <= (high), __VA_ARGS__)
#define SOCKHOST_CHECK_MEM_EQUAL(kind, what, a, b, size, ...) \
  SOCKHOST_CHECK(kind, what, memcmp(a, b, size) == 0, __VA_ARGS__)
#define SOCKHOST_CHECK_STR_EQUAL(kind, what, a, b, ...) \
  SOCKHOST_CHECK(kind, what, strcmp(a, b) == 0, __VA_ARGS__)

#define SOCKHOST_ZASSERT(check, name, text, ...) \
  SOCKHOST_CHECK_##check(SOCKHOST_CHECK_ASSERT, name "(" text ")", __VA_ARGS__)
#define zassert_true(...) SOCKHOST_ZASSERT(TRUE, "zassert_true", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_false(...) SOCKHOST_ZASSERT(FALSE, "zassert_false", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_ok(...) SOCKHOST_ZASSERT(OK, "zassert_ok", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_not_ok(...) \
  SOCKHOST_ZASSERT(NOT_OK, "zassert_not_ok", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_is_null(...) \
  SOCKHOST_ZASSERT(NULL, "zassert_is_null", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_not_null(...) \
  SOCKHOST_ZASSERT(NOT_NULL, "zassert_not_null", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_equal(...) SOCKHOST_ZASSERT(EQUAL, "zassert_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_not_equal(...) \
  SOCKHOST_ZASSERT(NOT_EQUAL, "zassert_not_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_equal_ptr(...) \
  SOCKHOST_ZASSERT(EQUAL_PTR, "zassert_equal_ptr", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_within(...) \
  SOCKHOST_ZASSERT(WITHIN, "zassert_within", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_between_inclusive(...) \
  SOCKHOST_ZASSERT(BETWEEN, "zassert_between_inclusive", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_mem_equal(...) \
  SOCKHOST_ZASSERT(MEM_EQUAL, "zassert_mem_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_str_equal(...) \
  SOCKHOST_ZASSERT(STR_EQUAL, "zassert_str_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassert_unreachable(...) \
  SOCKHOST_ZASSERT(TRUE, "zassert_unreachable", #__VA_ARGS__, 0, "" __VA_ARGS__)

#define SOCKHOST_ZASSUME(check, name, text, ...) \
  SOCKHOST_CHECK_##check(SOCKHOST_CHECK_ASSUME, name "(" text ")", __VA_ARGS__)
#define zassume_true(...) SOCKHOST_ZASSUME(TRUE, "zassume_true", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_false(...) SOCKHOST_ZASSUME(FALSE, "zassume_false", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_ok(...) SOCKHOST_ZASSUME(OK, "zassume_ok", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_not_ok(...) \
  SOCKHOST_ZASSUME(NOT_OK, "zassume_not_ok", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_is_null(...) \
  SOCKHOST_ZASSUME(NULL, "zassume_is_null", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_not_null(...) \
  SOCKHOST_ZASSUME(NOT_NULL, "zassume_not_null", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_equal(...) SOCKHOST_ZASSUME(EQUAL, "zassume_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_not_equal(...) \
  SOCKHOST_ZASSUME(NOT_EQUAL, "zassume_not_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_equal_ptr(...) \
  SOCKHOST_ZASSUME(EQUAL_PTR, "zassume_equal_ptr", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_within(...) \
  SOCKHOST_ZASSUME(WITHIN, "zassume_within", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_between_inclusive(...) \
  SOCKHOST_ZASSUME(BETWEEN, "zassume_between_inclusive", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_mem_equal(...) \
  SOCKHOST_ZASSUME(MEM_EQUAL, "zassume_mem_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_str_equal(...) \
  SOCKHOST_ZASSUME(STR_EQUAL, "zassume_str_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zassume_unreachable(...) \
  SOCKHOST_ZASSUME(TRUE, "zassume_unreachable", #__VA_ARGS__, 0, "" __VA_ARGS__)

#define SOCKHOST_ZEXPECT(check, name, text, ...) \
  SOCKHOST_CHECK_##check(SOCKHOST_CHECK_EXPECT, name "(" text ")", __VA_ARGS__)
#define zexpect_true(...) SOCKHOST_ZEXPECT(TRUE, "zexpect_true", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_false(...) SOCKHOST_ZEXPECT(FALSE, "zexpect_false", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_ok(...) SOCKHOST_ZEXPECT(OK, "zexpect_ok", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_not_ok(...) \
  SOCKHOST_ZEXPECT(NOT_OK, "zexpect_not_ok", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_is_null(...) \
  SOCKHOST_ZEXPECT(NULL, "zexpect_is_null", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_not_null(...) \
  SOCKHOST_ZEXPECT(NOT_NULL, "zexpect_not_null", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_equal(...) SOCKHOST_ZEXPECT(EQUAL, "zexpect_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_not_equal(...) \
  SOCKHOST_ZEXPECT(NOT_EQUAL, "zexpect_not_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_equal_ptr(...) \
  SOCKHOST_ZEXPECT(EQUAL_PTR, "zexpect_equal_ptr", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_within(...) \
  SOCKHOST_ZEXPECT(WITHIN, "zexpect_within", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_between_inclusive(...) \
  SOCKHOST_ZEXPECT(BETWEEN, "zexpect_between_inclusive", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_mem_equal(...) \
  SOCKHOST_ZEXPECT(MEM_EQUAL, "zexpect_mem_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_str_equal(...) \
  SOCKHOST_ZEXPECT(STR_EQUAL, "zexpect_str_equal", #__VA_ARGS__, __VA_ARGS__, NULL)
#define zexpect_unreachable(...) \
  SOCKHOST_ZEXPECT(TRUE, "zexpect_unreachable", #__VA_ARGS__, 0, "" __VA_ARGS__)

#endif /* ZEPHYR_ZTEST_ASSERT_H_ */
