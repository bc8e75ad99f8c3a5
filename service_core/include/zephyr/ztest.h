/*
 * The part of Zephyr's test framework that tests of socket services use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_ZTEST_H_
#define ZEPHYR_ZTEST_H_

#include <zephyr/kernel.h>
#include <zephyr/ztest_assert.h>
#include <zephyr/ztest_test.h>

#endif /* ZEPHYR_ZTEST_H_ */
