/* A handler that never returns. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <zephyr/net/socket_service.h>

static void on_ready(struct net_socket_service_event *pev) {
  (void)pev;
  printk("stuck\n");
  while (true) {
    pause();
  }
}

NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(stuck_service, on_ready, 1);

int main(void) {
  struct pollfd ready = {.fd = eventfd(1, EFD_NONBLOCK), .events = POLLIN};

  return net_socket_service_register(&stuck_service, &ready, 1, NULL);
}
