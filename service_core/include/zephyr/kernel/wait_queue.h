/*
 * What every kernel object that threads wait for begins with. Not for direct use.
 *
 * Threads are served in the order in which they came, whatever their priority;
 * what is given goes to the thread that was first, not to whoever runs first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_WAIT_QUEUE_H_
#define ZEPHYR_KERNEL_WAIT_QUEUE_H_

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <pthread.h>

struct sockhost_waiter;

struct sockhost_wait_queue {
  /* Guards this structure and the object around it. */
  pthread_mutex_t guard;
  struct sockhost_waiter *first;
  struct sockhost_waiter *last;
};

#define SOCKHOST_WAIT_QUEUE_INITIALIZER \
  { PTHREAD_MUTEX_INITIALIZER, NULL, NULL }

#endif /* ZEPHYR_KERNEL_WAIT_QUEUE_H_ */
