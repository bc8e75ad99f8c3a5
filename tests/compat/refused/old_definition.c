/* A service as it was defined for Zephyr before 4.1. */
#include <zephyr/net/socket_service.h>

static void old_handler(struct k_work *work) { ARG_UNUSED(work); }

DEFINITION(old_service, NULL, old_handler, 2);
