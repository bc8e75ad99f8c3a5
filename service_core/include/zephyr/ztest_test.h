/*
 * Tests and suites. A program with suites, linked with sockhost_zephyr_main, runs
 * them after the functions of SYS_INIT and exits with 0 if none failed.
 *
 * Each test has a thread of its own, and runs after the one before it has ended.
 * Suites and their tests run in alphabetical order.
 *
 * Source: Zephyr API documentation, "Test Framework".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_ZTEST_TEST_H_
#define ZEPHYR_ZTEST_TEST_H_

#include <zephyr/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef bool (*ztest_suite_predicate_t)(const void *global_state);
typedef void *(*ztest_suite_setup_t)(void);
typedef void (*ztest_suite_before_t)(void *fixture);
typedef void (*ztest_suite_after_t)(void *fixture);
typedef void (*ztest_suite_teardown_t)(void *fixture);

/* Not for direct use: what the macros announce. */
struct sockhost_ztest_suite {
  const char *name;
  ztest_suite_predicate_t predicate;
  ztest_suite_setup_t setup;
  ztest_suite_before_t before;
  ztest_suite_after_t after;
  ztest_suite_teardown_t teardown;
  struct sockhost_ztest_suite *next;
};
struct sockhost_ztest_case {
  const char *suite;
  const char *name;
  void (*function)(void *fixture);
  struct sockhost_ztest_case *next;
};
void sockhost_ztest_announce_suite(struct sockhost_ztest_suite *suite);
void sockhost_ztest_announce_case(struct sockhost_ztest_case *test);

/* A suite. Every function may be NULL; the fixture is what setup returns. A suite
 * whose predicate is false does not run. */
#define ZTEST_SUITE(name, predicate, setup, before, after, teardown)                           \
  static struct sockhost_ztest_suite sockhost_suite_##name = {#name, predicate, setup, before, \
                                                              after, teardown,  NULL};         \
  __attribute__((constructor, used)) static void sockhost_announce_suite_##name(void) {        \
    sockhost_ztest_announce_suite(&sockhost_suite_##name);                                     \
  }                                                                                            \
  struct sockhost_suite_##name##_ends_here

#define SOCKHOST_ZTEST(suite, name, run)                                                         \
  static struct sockhost_ztest_case sockhost_case_##suite##_##name = {#suite, #name, run, NULL}; \
  __attribute__((constructor, used)) static void sockhost_announce_case_##suite##_##name(void) { \
    sockhost_ztest_announce_case(&sockhost_case_##suite##_##name);                               \
  }

/* ZTEST(suite, name) { ... }: a test. */
#define ZTEST(suite, name)                                   \
  static void suite##_##name(void);                          \
  static void sockhost_run_##suite##_##name(void *fixture) { \
    (void)fixture;                                           \
    suite##_##name();                                        \
  }                                                          \
  SOCKHOST_ZTEST(suite, name, sockhost_run_##suite##_##name) \
  static void suite##_##name(void)

/* ZTEST_F(suite, name) { ... }: a test that uses struct <suite>_fixture *fixture. */
#define ZTEST_F(suite, name)                                   \
  static void suite##_##name(struct suite##_fixture *fixture); \
  static void sockhost_run_##suite##_##name(void *fixture) {   \
    suite##_##name((struct suite##_fixture *)fixture);         \
  }                                                            \
  SOCKHOST_ZTEST(suite, name, sockhost_run_##suite##_##name)   \
  static void suite##_##name(struct suite##_fixture *fixture)

/* There is no user mode here. */
#define ZTEST_USER(suite, name) ZTEST(suite, name)
#define ZTEST_USER_F(suite, name) ZTEST_F(suite, name)

/* End the running test; in another thread they mark it and return. */
void ztest_test_fail(void);
void ztest_test_skip(void);
void ztest_test_pass(void);

/* For suites that want one processor: they need nothing here. */
static inline void ztest_simple_1cpu_before(void *data) { (void)data; }
static inline void ztest_simple_1cpu_after(void *data) { (void)data; }

/* Not for direct use: runs everything. The number of tests that failed, or 1 if no
 * test was found. */
int sockhost_ztest_run(void);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_ZTEST_TEST_H_ */
