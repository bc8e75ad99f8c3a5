/*
 * Event fds: a counter that can be polled, for instance to wake a service from
 * another thread.
 *
 * Errors: -1 and errno, as the eventfd(2) functions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_ZVFS_EVENTFD_H_
#define ZEPHYR_ZVFS_EVENTFD_H_

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <sys/eventfd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZVFS_EFD_SEMAPHORE EFD_SEMAPHORE
#define ZVFS_EFD_NONBLOCK EFD_NONBLOCK

typedef eventfd_t zvfs_eventfd_t;

static inline int zvfs_eventfd(unsigned int initval, int flags) {
  return eventfd(initval, flags | EFD_CLOEXEC);
}
static inline int zvfs_eventfd_read(int fd, zvfs_eventfd_t *value) {
  return eventfd_read(fd, value);
}
static inline int zvfs_eventfd_write(int fd, zvfs_eventfd_t value) {
  return eventfd_write(fd, value);
}

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_ZVFS_EVENTFD_H_ */
