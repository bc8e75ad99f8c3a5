/* Without any Zephyr header nothing is routed. */
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define SOCKET_USER use_system_headers_only
#include "tests/compat/routes/socket_user.h"
