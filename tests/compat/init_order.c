/* Functions of SYS_INIT in an order other than that in which they run. */
#include "tests/compat/init_order.h"

#include <errno.h>
#include <string.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>

static char order[64];

const char *init_order(void) { return order; }

static int note(const char *name) {
  strcat(order, name);
  return 0;
}

static int application_late(void) { return note("late "); }
SYS_INIT(application_late, APPLICATION, 99);

static int application_first(void) { return note("a1 "); }
SYS_INIT(application_first, APPLICATION, 10);

static int application_second(void) { return note("a2 "); }
SYS_INIT(application_second, APPLICATION, 10);

static int post_kernel(void) { return note("post "); }
SYS_INIT(post_kernel, POST_KERNEL, 0);

static int early(void) { return note("early "); }
SYS_INIT(early, EARLY, 999);
SYS_INIT_NAMED(early_again, early, PRE_KERNEL_2, 0);

static int pre_kernel(void) { return note("pre1 "); }
SYS_INIT(pre_kernel, PRE_KERNEL_1, 50);
