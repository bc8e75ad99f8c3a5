/* clang-format off */
/* The order of the headers is what this file is about. */
#include <zephyr/posix/sys/socket.h>
#include <zephyr/posix/unistd.h>

#include <string.h>

#define SOCKET_USER use_zephyr_headers_first
#include "tests/compat/routes/socket_user.h"

int accept_with_zephyr_headers(int fd);
int accept_with_zephyr_headers(int fd) { return accept4(fd, NULL, NULL, SOCK_NONBLOCK); }
