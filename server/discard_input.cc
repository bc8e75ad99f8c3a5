#include "discard_input.h"

#include <zephyr/net/socket.h>

#include "sockhost/socket_service_ext.h"

namespace sockhost {

void DiscardInput(int fd) {
  static char buffer[64 * 1024];
  zsock_recv(fd, buffer, sizeof(buffer), 0);
}

void CloseAfterLastWord(int fd) {
  DiscardInput(fd);
  sockhost_socket_close(fd);
}

}  // namespace sockhost
