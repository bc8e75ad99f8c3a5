/*
 * Log macros of network code: those of zephyr/logging/log.h under other names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_NET_LOG_H_
#define ZEPHYR_NET_NET_LOG_H_

#include <zephyr/logging/log.h>

#define NET_ERR(...) LOG_ERR(__VA_ARGS__)
#define NET_WARN(...) LOG_WRN(__VA_ARGS__)
#define NET_INFO(...) LOG_INF(__VA_ARGS__)
#define NET_DBG(...) LOG_DBG(__VA_ARGS__)
#define NET_ASSERT(condition, ...) __ASSERT(condition, __VA_ARGS__)

#endif /* ZEPHYR_NET_NET_LOG_H_ */
