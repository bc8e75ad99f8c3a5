#include "socket_event.h"

#include "listener.h"

namespace sockhost {

HostEvent OpenedEvent(const SocketSlot& slot) {
  HostEvent event;
  event.kind = HostEventKind::kSocketOpened;
  event.time_nanos = slot.create_time_nanos;
  event.service = slot.service->name;
  event.socket.id = slot.id.load(std::memory_order_relaxed);
  event.socket.fd = slot.fd;
  event.socket.role = slot.role;
  event.socket.protocol = slot.protocol;
  if (slot.listener) event.socket.listener = slot.listener->name();
  if (slot.has_peer_address()) event.socket.remote = slot.address;
  event.socket.create_time_nanos = slot.create_time_nanos;
  return event;
}

HostEvent ClosedEvent(const SocketSnapshot& closed) {
  HostEvent event;
  event.kind = HostEventKind::kSocketClosed;
  event.time_nanos = closed.close_time_nanos;
  event.service = closed.service;
  event.socket = {.id = closed.id,
                  .fd = closed.fd,
                  .role = closed.role,
                  .protocol = closed.protocol,
                  .listener = closed.listener,
                  .remote = closed.remote,
                  .create_time_nanos = closed.create_time_nanos};
  event.close_reason = closed.close_reason;
  event.counters = closed.counters;
  return event;
}

}  // namespace sockhost
