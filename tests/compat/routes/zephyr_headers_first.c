/* clang-format off */
/* The order of the headers is what this file is about. */
#include <zephyr/posix/sys/socket.h>
#include <zephyr/posix/unistd.h>

#include <string.h>

#define SOCKET_USER use_zephyr_headers_first
#include "tests/compat/routes/socket_user.h"

int accept_with_zephyr_headers(int fd);
int accept_with_zephyr_headers(int fd) { return accept4(fd, NULL, NULL, SOCK_NONBLOCK); }

int open_ipv6_with_zephyr_headers(void);
int open_ipv6_with_zephyr_headers(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }

/* Without effect where the plain names are routed. */
int select_behind_the_set_with_zephyr_headers(fd_set *set);
int select_behind_the_set_with_zephyr_headers(fd_set *set) {
  volatile int fd = 2 * FD_SETSIZE - 1;
  struct timeval at_once = {0, 0};

  FD_SET(fd, set);
  FD_CLR(fd, set);
  return FD_ISSET(fd, set) ? -1 : select(fd + 1, set, NULL, NULL, &at_once);
}
