// RFC 863: TCP and UDP. Runs on the service thread.
#include <poll.h>

#include "built_in_services.h"
#include "datagram_batch.h"
#include "discard_input.h"

namespace sockhost {
namespace {

void HandleDiscard(net_socket_service_event* event) {
  const int fd = event->event.fd;
  if (!sockhost_socket_is_datagram(fd)) return DiscardInput(fd);
  DatagramBatch::OfServiceThread().Receive(fd);
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
