/* clang-format off */
/* The order of the headers is what this file is about. */
/* A source may ask for no routes. */
#define SOCKHOST_PLAIN_POSIX
#include <zephyr/net/socket.h>

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SOCKET_USER use_plain_posix
#include "tests/compat/routes/socket_user.h"
