/* A program whose main() fails after a SYS_INIT function has. */
#include <zephyr/init.h>
#include <zephyr/kernel.h>

static int refuse(void) { return -ENODEV; }
SYS_INIT(refuse, POST_KERNEL, 0);

int main(void) { return -EIO; }
