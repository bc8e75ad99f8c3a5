/* Tests that fail, and one that does not: the report of the test framework. */
#include <zephyr/ztest.h>

static void fail_elsewhere(void *p1, void *p2, void *p3) {
  ARG_UNUSED(p1);
  ARG_UNUSED(p2);
  ARG_UNUSED(p3);
  zassert_true(false, "in another thread");
}

ZTEST(failing, test_assert_ends_the_test) {
  zassert_equal(1 + 1, 3, "the sum is %d", 2);
  printk("was not ended\n");
}

ZTEST(failing, test_expect_goes_on) {
  zexpect_str_equal("a", "b");
  printk("went on\n");
}

ZTEST(failing, test_failure_in_another_thread_counts) {
  static struct k_thread thread;

  k_thread_create(&thread, NULL, 0, fail_elsewhere, NULL, NULL, NULL, 0, 0, K_NO_WAIT);
  zassert_ok(k_thread_join(&thread, K_FOREVER));
}

ZTEST(passing, test_nothing) {}

static bool never(const void *state) {
  ARG_UNUSED(state);
  return false;
}

ZTEST(unwanted, test_does_not_run) { zassert_unreachable(); }

ZTEST_SUITE(failing, NULL, NULL, NULL, NULL, NULL);
ZTEST_SUITE(passing, NULL, NULL, NULL, NULL, NULL);
ZTEST_SUITE(unwanted, never, NULL, NULL, NULL, NULL);
