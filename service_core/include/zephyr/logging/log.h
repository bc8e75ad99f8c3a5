/*
 * Log messages of applications. They go where the host's own messages go, led by
 * the module's name.
 *
 * A source names its module once, with LOG_MODULE_REGISTER(name) or, in further
 * sources of the module, LOG_MODULE_DECLARE(name); both take a level as second
 * argument. Messages above that level are compiled out.
 *
 * Thread rule: any thread and inside handlers. A message is one line of at most
 * 1023 bytes; longer ones are cut.
 *
 * Source: Zephyr API documentation, "Logging".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_LOGGING_LOG_H_
#define ZEPHYR_LOGGING_LOG_H_

#include <zephyr/sys/__assert.h>
#include <zephyr/sys/printk.h>
#include <zephyr/sys/util.h>
#include <zephyr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOG_LEVEL_NONE 0
#define LOG_LEVEL_ERR 1
#define LOG_LEVEL_WRN 2
#define LOG_LEVEL_INF 3
#define LOG_LEVEL_DBG 4

/* Not for direct use: what the macros call. */
void sockhost_log(int level, const char *module, const char *format, ...) __printf_like(3, 4);
void sockhost_log_hexdump(int level, const char *module, const void *data, size_t length,
                          const char *text);
/* True at most once a second and `last`. */
bool sockhost_log_is_due(int64_t *last);

/* ---- Modules -------------------------------------------------------------------- */

#define SOCKHOST_LOG_MODULE(name, level)                          \
  enum { sockhost_log_level = MIN(level, CONFIG_LOG_MAX_LEVEL) }; \
  static const char *const sockhost_log_module __attribute__((__unused__)) = #name

/* The level is the second argument, or the default if there is only one. */
#define LOG_MODULE_REGISTER(...) SOCKHOST_LOG_DEFINE(__VA_ARGS__, CONFIG_LOG_DEFAULT_LEVEL, 0)
#define LOG_MODULE_DECLARE(...) SOCKHOST_LOG_DEFINE(__VA_ARGS__, CONFIG_LOG_DEFAULT_LEVEL, 0)
#define SOCKHOST_LOG_DEFINE(name, level, ...) SOCKHOST_LOG_MODULE(name, level)

/* ---- Messages ------------------------------------------------------------------- */

#define SOCKHOST_LOG(level, ...)                             \
  do {                                                       \
    if ((level) <= (int)sockhost_log_level) {                \
      sockhost_log(level, sockhost_log_module, __VA_ARGS__); \
    }                                                        \
  } while (0)

#define LOG_ERR(...) SOCKHOST_LOG(LOG_LEVEL_ERR, __VA_ARGS__)
#define LOG_WRN(...) SOCKHOST_LOG(LOG_LEVEL_WRN, __VA_ARGS__)
#define LOG_INF(...) SOCKHOST_LOG(LOG_LEVEL_INF, __VA_ARGS__)
#define LOG_DBG(...) SOCKHOST_LOG(LOG_LEVEL_DBG, __VA_ARGS__)
#define LOG_PRINTK(...) printk(__VA_ARGS__)
#define LOG_RAW(...) printk(__VA_ARGS__)

#define SOCKHOST_LOG_HEXDUMP(level, data, length, text)                     \
  do {                                                                      \
    if ((level) <= (int)sockhost_log_level) {                               \
      sockhost_log_hexdump(level, sockhost_log_module, data, length, text); \
    }                                                                       \
  } while (0)

#define LOG_HEXDUMP_ERR(data, length, text) SOCKHOST_LOG_HEXDUMP(LOG_LEVEL_ERR, data, length, text)
#define LOG_HEXDUMP_WRN(data, length, text) SOCKHOST_LOG_HEXDUMP(LOG_LEVEL_WRN, data, length, text)
#define LOG_HEXDUMP_INF(data, length, text) SOCKHOST_LOG_HEXDUMP(LOG_LEVEL_INF, data, length, text)
#define LOG_HEXDUMP_DBG(data, length, text) SOCKHOST_LOG_HEXDUMP(LOG_LEVEL_DBG, data, length, text)

/* Messages are handed on as they come: there is no deferred mode to leave. */
#define LOG_PANIC() ((void)0)

/* At most once a second from each place in the source. */
#define SOCKHOST_LOG_RATELIMIT(level, ...)                                           \
  do {                                                                               \
    static int64_t sockhost_last;                                                    \
    if ((level) <= (int)sockhost_log_level && sockhost_log_is_due(&sockhost_last)) { \
      sockhost_log(level, sockhost_log_module, __VA_ARGS__);                         \
    }                                                                                \
  } while (0)

#define LOG_ERR_RATELIMIT(...) SOCKHOST_LOG_RATELIMIT(LOG_LEVEL_ERR, __VA_ARGS__)
#define LOG_WRN_RATELIMIT(...) SOCKHOST_LOG_RATELIMIT(LOG_LEVEL_WRN, __VA_ARGS__)
#define LOG_INF_RATELIMIT(...) SOCKHOST_LOG_RATELIMIT(LOG_LEVEL_INF, __VA_ARGS__)
#define LOG_DBG_RATELIMIT(...) SOCKHOST_LOG_RATELIMIT(LOG_LEVEL_DBG, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_LOGGING_LOG_H_ */
