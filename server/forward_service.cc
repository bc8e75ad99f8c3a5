// Forwards connections and datagrams to other servers. Runs on the service thread.
#include <poll.h>

#include "built_in_services.h"
#include "forward_flows.h"
#include "forward_pair.h"
#include "forward_route.h"
#include "forward_socket.h"

namespace sockhost {
namespace {

void HandleForward(net_socket_service_event* event) {
  const int fd = event->event.fd;
  if (event->user_data) {
    return static_cast<ForwardSocket*>(event->user_data)->OnReady(event->event.revents);
  }
  const auto* parameters = dynamic_cast<const ForwardParameters*>(ParametersOf(fd));
  if (!parameters) {
    // Of a host that opened the listener without saying where to forward to.
    sockhost_socket_close(fd);
  } else if (sockhost_socket_is_datagram(fd)) {
    ForwardFlows::Begin(fd, parameters->route);
  } else {
    ForwardPair::Begin(fd, parameters->route);
  }
}

void ForwardSocketIsGone(void* user_data) { static_cast<ForwardSocket*>(user_data)->OnGone(); }

}  // namespace

const sockhost_service_definition kForwardService = {
    .name = "forward",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleForward,
    .capacity = 0,
    // At once: the upstream may be the one who speaks first.
    .connection_events = POLLOUT,
    .free_user_data = ForwardSocketIsGone,
    .keeps_connections = 1,
};

}  // namespace sockhost
