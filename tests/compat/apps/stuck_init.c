/* A SYS_INIT function that never returns. */
#include <unistd.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>

static int wait_for_ever(void) {
  printk("stuck\n");
  while (true) {
    pause();
  }
  return 0;
}

SYS_INIT(wait_for_ever, APPLICATION, 1);
