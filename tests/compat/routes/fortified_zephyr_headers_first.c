/* clang-format off */
/* The order of the headers is what this file is about. */
/* Built with _FORTIFY_SOURCE. */
#include <zephyr/posix/unistd.h>

#include <string.h>
#include <sys/socket.h>

#define SOCKET_USER use_fortified_zephyr_headers_first
#include "tests/compat/routes/socket_user.h"
