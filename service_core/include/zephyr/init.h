/*
 * Functions that run when the host starts (in a module: when it is loaded), in
 * order of level, then priority, then definition.
 *
 * The levels are EARLY, PRE_KERNEL_1, PRE_KERNEL_2, POST_KERNEL and APPLICATION;
 * the priority is a number from 0 to 999. All run on one thread, after the service
 * thread has started. A function returns 0, or a negative errno: that is logged with
 * the function's name, the other functions still run, and a module is not accepted.
 *
 * Source: Zephyr API documentation, "System Initialization".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_INIT_H_
#define ZEPHYR_INIT_H_

#include <sockhost/abi.h>
#include <zephyr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sockhost_init_level {
  SOCKHOST_INIT_EARLY,
  SOCKHOST_INIT_PRE_KERNEL_1,
  SOCKHOST_INIT_PRE_KERNEL_2,
  SOCKHOST_INIT_POST_KERNEL,
  SOCKHOST_INIT_APPLICATION
};

/* Not for direct use: what SYS_INIT announces. The last two fields are the library's. */
struct sockhost_init_entry {
  int (*function)(void);
  const char *name;
  enum sockhost_init_level level;
  int priority;
  bool has_run;
  struct sockhost_init_entry *next;
};
#define sockhost_init_announce SOCKHOST_ABI_NAME(init_announce)
#define sockhost_init_withdraw SOCKHOST_ABI_NAME(init_withdraw)
void sockhost_init_announce(struct sockhost_init_entry *entry);
void sockhost_init_withdraw(struct sockhost_init_entry *entry);

/* Runs `function` at `level` with `priority`. SYS_INIT_NAMED is for a function that
 * is to run more than once. */
#define SYS_INIT(function, level, priority) SYS_INIT_NAMED(function, function, level, priority)
#define SYS_INIT_NAMED(name, function, level, priority)                                \
  BUILD_ASSERT((priority) >= 0 && (priority) <= 999, "priority is 0 to 999");          \
  static struct sockhost_init_entry sockhost_init_##name = {                           \
      function, #function, SOCKHOST_INIT_##level, (priority), false, NULL};            \
  __attribute__((constructor, used)) static void sockhost_announce_init_##name(void) { \
    sockhost_init_announce(&sockhost_init_##name);                                     \
  }                                                                                    \
  __attribute__((destructor, used)) static void sockhost_withdraw_init_##name(void) {  \
    sockhost_init_withdraw(&sockhost_init_##name);                                     \
  }                                                                                    \
  struct sockhost_init_##name##_ends_here

/*
 * Runs every announced function that has not run yet, then starts the threads of
 * K_THREAD_DEFINE that were announced. For the host; one thread at a time.
 * 0, or the negative errno of the first function that failed.
 */
int sockhost_run_init_levels(void);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_INIT_H_ */
