/*
 * struct zsock_pollfd and zsock_poll(): part of zephyr/net/socket.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_SOCKET_POLL_H_
#define ZEPHYR_NET_SOCKET_POLL_H_

#include <zephyr/net/socket.h>

#endif /* ZEPHYR_NET_SOCKET_POLL_H_ */
