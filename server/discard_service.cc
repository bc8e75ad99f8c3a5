// RFC 863: TCP and UDP. Runs on the service thread.
#include <poll.h>
#include <zephyr/net/socket.h>

#include "built_in_services.h"
#include "datagram_batch.h"

namespace sockhost {
namespace {

constexpr size_t kReadSize = 64 * 1024;

void HandleDiscard(net_socket_service_event* event) {
  static char buffer[kReadSize];
  const int fd = event->event.fd;
  if (sockhost_socket_is_datagram(fd)) {
    DatagramBatch::OfServiceThread().Receive(fd);
  } else {
    zsock_recv(fd, buffer, sizeof(buffer), 0);
  }
}

}  // namespace

const sockhost_service_definition kDiscardService = {
    .name = "discard",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleDiscard,
    .capacity = 0,
    .connection_events = POLLIN,
    .free_user_data = nullptr,
    .keeps_connections = 0,
};

}  // namespace sockhost
