/*
 * zsock_fd_set and zsock_select(): part of zephyr/net/socket.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_SOCKET_SELECT_H_
#define ZEPHYR_NET_SOCKET_SELECT_H_

#include <zephyr/net/socket.h>

#endif /* ZEPHYR_NET_SOCKET_SELECT_H_ */
