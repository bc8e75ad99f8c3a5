/*
 * Threads and sleeping. Included by zephyr/kernel.h.
 *
 * A thread is a POSIX thread with a stack of Linux' usual size: code that prints
 * needs more than the few hundred bytes asked for on a device. It ends when its
 * entry function returns, or with the process. There is no way to abort or
 * suspend another thread. Handlers of signals that ask for it (SA_ONSTACK) have a
 * stack of their own on it.
 *
 * Source: Zephyr API documentation, "Threads".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_THREAD_H_
#define ZEPHYR_KERNEL_THREAD_H_

#include <sockhost/abi.h>
#include <zephyr/kernel/wait_queue.h>
#include <zephyr/sys_clock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*k_thread_entry_t)(void *p1, void *p2, void *p3);

/* Long enough for Linux, which shows 15 characters. */
#define CONFIG_THREAD_MAX_NAME_LEN 32

struct k_thread {
  struct sockhost_wait_queue wait_q;
  /* The thread itself, during its delay. */
  struct sockhost_wait_queue start_q;
  k_thread_entry_t entry;
  void *arguments[3];
  k_timeout_t delay;
  pthread_t pthread;
  /* The library's: created, starting, running, ended. */
  int state;
  char name[CONFIG_THREAD_MAX_NAME_LEN];
};

typedef struct k_thread *k_tid_t;

/* Memory of this type is not used: see above. The array keeps its size, so that
 * K_THREAD_STACK_SIZEOF() says what the application expects. */
typedef char k_thread_stack_t;

#define K_THREAD_STACK_DEFINE(name, size) k_thread_stack_t name[size]
#define K_THREAD_STACK_ARRAY_DEFINE(name, count, size) k_thread_stack_t name[count][size]
#define K_THREAD_STACK_MEMBER(name, size) k_thread_stack_t name[size]
#define K_THREAD_STACK_DECLARE(name, size) extern k_thread_stack_t name[size]
#define K_THREAD_STACK_SIZEOF(name) sizeof(name)
#define K_KERNEL_STACK_DEFINE(name, size) K_THREAD_STACK_DEFINE(name, size)
#define K_KERNEL_STACK_MEMBER(name, size) K_THREAD_STACK_MEMBER(name, size)
#define K_KERNEL_STACK_SIZEOF(name) K_THREAD_STACK_SIZEOF(name)

#define K_PRIO_COOP(x) (-(CONFIG_NUM_COOP_PRIORITIES - (x)))
#define K_PRIO_PREEMPT(x) (x)
#define K_LOWEST_APPLICATION_THREAD_PRIO (CONFIG_NUM_PREEMPT_PRIORITIES - 1)
#define K_HIGHEST_APPLICATION_THREAD_PRIO 0
#define K_USER 0
#define K_ESSENTIAL 0
#define K_INHERIT_PERMS 0
#define K_FP_REGS 0

/*
 * Starts `entry(p1, p2, p3)` after `delay`; with K_FOREVER, at k_thread_start().
 * `thread` stays valid until the thread has ended and was joined. NULL if the
 * system has no more threads (logged); then it counts as ended.
 */
k_tid_t k_thread_create(struct k_thread *thread, k_thread_stack_t *stack, size_t stack_size,
                        k_thread_entry_t entry, void *p1, void *p2, void *p3, int prio,
                        uint32_t options, k_timeout_t delay);

/* Starts a thread that was created with K_FOREVER; without success it has ended. Ends the
 * delay of one that was created with a delay; does nothing to one that runs or has ended. */
void k_thread_start(k_tid_t thread);

/* 0: it has ended; -EBUSY: it runs, and no waiting was asked for; -EAGAIN: timed
 * out; -EDEADLK: it is the calling thread. */
int k_thread_join(struct k_thread *thread, k_timeout_t timeout);

/* The calling thread. For a thread that Zephyr code did not create, an object that
 * lives as long as that thread. */
k_tid_t k_current_get(void);
static inline k_tid_t k_sched_current_thread_query(void) { return k_current_get(); }

/* 0. Longer names are cut. */
int k_thread_name_set(k_tid_t thread, const char *name);
const char *k_thread_name_get(k_tid_t thread);

/* ---- Threads defined at compile time ------------------------------------------------ */

/* Not for direct use: what K_THREAD_DEFINE announces. */
struct sockhost_static_thread {
  struct k_thread *thread;
  k_thread_entry_t entry;
  void *arguments[3];
  int32_t delay_ms;
  const char *name;
  struct sockhost_static_thread *next;
};
#define sockhost_thread_announce SOCKHOST_ABI_NAME(thread_announce)
void sockhost_thread_announce(struct sockhost_static_thread *thread);
void sockhost_thread_withdraw(struct sockhost_static_thread *thread);

/*
 * A thread that starts `delay_ms` milliseconds after the functions of SYS_INIT have
 * run (in a module: those of the module); SYS_FOREVER_MS waits for k_thread_start().
 */
#define K_THREAD_DEFINE(name, stack_size, entry, p1, p2, p3, prio, options, delay_ms)    \
  BUILD_ASSERT((stack_size) >= 0, "a stack has no negative size");                       \
  static struct k_thread sockhost_thread_##name;                                         \
  static struct sockhost_static_thread sockhost_static_thread_##name = {                 \
      &sockhost_thread_##name, entry, {(p1), (p2), (p3)}, (delay_ms), #name, NULL};      \
  __attribute__((constructor, used)) static void sockhost_announce_thread_##name(void) { \
    (void)(prio), (void)(options);                                                       \
    sockhost_thread_announce(&sockhost_static_thread_##name);                            \
  }                                                                                      \
  __attribute__((destructor, used)) static void sockhost_withdraw_thread_##name(void) {  \
    sockhost_thread_withdraw(&sockhost_static_thread_##name);                            \
  }                                                                                      \
  SOCKHOST_DECLARE_THREAD(name) const k_tid_t name = &sockhost_thread_##name

/* A constant of C++ is private to its file unless declared before. */
#ifdef __cplusplus
#define SOCKHOST_DECLARE_THREAD(name) extern const k_tid_t name;
#else
#define SOCKHOST_DECLARE_THREAD(name)
#endif

/* ---- Sleeping ----------------------------------------------------------------------- */

/* Milliseconds that were left: always 0, as nothing wakes a sleeper early. With
 * K_FOREVER they never return. */
int32_t k_sleep(k_timeout_t timeout);
int32_t k_msleep(int32_t ms);
int32_t k_usleep(int32_t us);

/* Lets other threads run. */
void k_yield(void);

/* Keeps the processor busy. */
void k_busy_wait(uint32_t usec);
#define Z_SPIN_DELAY(usec) k_busy_wait(usec)

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_THREAD_H_ */
