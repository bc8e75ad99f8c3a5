/*
 * POSIX <fcntl.h>, with the socket calls routed to the zsock_ functions: see
 * zephyr/net/socket.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_POSIX_FCNTL_H_
#define ZEPHYR_POSIX_FCNTL_H_

#include <sockhost/posix_routes.h>
/* After the routes, not before. */
#include <fcntl.h>

#endif /* ZEPHYR_POSIX_FCNTL_H_ */
