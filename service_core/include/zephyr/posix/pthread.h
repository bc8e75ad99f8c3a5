/*
 * POSIX <pthread.h>, with the socket calls routed to the zsock_ functions: see
 * zephyr/net/socket.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_POSIX_PTHREAD_H_
#define ZEPHYR_POSIX_PTHREAD_H_

#include <sockhost/posix_routes.h>
/* After the routes, not before. */
#include <pthread.h>

#endif /* ZEPHYR_POSIX_PTHREAD_H_ */
