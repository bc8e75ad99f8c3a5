/*
 * POSIX <sys/select.h>, with the socket calls routed to the zsock_ functions: see
 * zephyr/net/socket.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_POSIX_SYS_SELECT_H_
#define ZEPHYR_POSIX_SYS_SELECT_H_

#include <zephyr/net/socket.h>
/* After the routes, not before. */
#include <sys/select.h>

#endif /* ZEPHYR_POSIX_SYS_SELECT_H_ */
