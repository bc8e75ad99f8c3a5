/*
 * Tells the time to whoever connects (RFC 867), written as for Zephyr: it opens its
 * own socket when it is initialised, and knows nothing of the host.
 *
 *   sockhostd --module time_of_day.so
 *   nc 127.0.0.1 10013
 */
#include <errno.h>
#include <time.h>
#include <zephyr/init.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/socket.h>
#include <zephyr/net/socket_service.h>

LOG_MODULE_REGISTER(time_of_day, LOG_LEVEL_INF);

#ifndef TIME_OF_DAY_PORT
#define TIME_OF_DAY_PORT 10013
#endif

static void on_connection(struct net_socket_service_event *pev) {
  time_t now = time(NULL);
  char text[64];
  size_t length = strftime(text, sizeof(text), "%A, %B %d, %Y %H:%M:%S UTC\r\n", gmtime(&now));
  int peer = zsock_accept(pev->event.fd, NULL, NULL);

  if (peer < 0) {
    LOG_ERR("accept: %d", -errno);
    return;
  }
  /* One line fits into the buffer of a new socket: this does not wait. */
  if (zsock_send(peer, text, length, 0) < 0) {
    LOG_WRN("send: %d", -errno);
  }
  zsock_close(peer);
}

NET_SOCKET_SERVICE_SYNC_DEFINE(time_of_day, on_connection, 1);

static int open_time_of_day(void) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_addr = {htonl(INADDR_LOOPBACK)},
      .sin_port = htons(TIME_OF_DAY_PORT),
  };
  struct zsock_pollfd listening = {
      .fd = zsock_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP),
      .events = ZSOCK_POLLIN,
  };
  int result = -1;

  if (listening.fd >= 0 &&
      zsock_bind(listening.fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
      zsock_listen(listening.fd, 5) == 0) {
    result = net_socket_service_register(&time_of_day, &listening, 1, NULL);
  } else {
    result = -errno;
  }
  if (result < 0 && listening.fd >= 0) {
    zsock_close(listening.fd);
  }
  return result;
}

SYS_INIT(open_time_of_day, APPLICATION, 50);
