/*
 * The Zephyr socket service API. Source written for Zephyr's socket services
 * compiles against this header unchanged, as C and as C++. What each function
 * does says sockhost/socket_service.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_SOCKET_SERVICE_H_
#define ZEPHYR_NET_SOCKET_SERVICE_H_

#include <zephyr/net/socket.h>
/* Not before: in a strict build the line above chooses what the C library declares. */
#include <sockhost/socket_service.h>

#endif /* ZEPHYR_NET_SOCKET_SERVICE_H_ */
