/* clang-format off */
/* The order of the headers is what this file is about. */
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <zephyr/net/socket.h>

#define SOCKET_USER use_zephyr_headers_last
#include "tests/compat/routes/socket_user.h"
