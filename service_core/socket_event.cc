#include "socket_event.h"

#include <memory>

#include "listener.h"

namespace sockhost {
namespace {

HostEvent EventOf(const SocketSlot& slot, SocketId id, HostEventKind kind) {
  HostEvent event;
  event.kind = kind;
  event.service = slot.service->name;
  event.socket.id = id;
  event.socket.fd = slot.fd;
  event.socket.role = slot.role;
  event.socket.protocol = slot.protocol;
  if (slot.listener) event.socket.listener = slot.listener->name();
  event.socket.remote = slot.remote;
  event.socket.create_time_nanos = slot.create_time_nanos;
  return event;
}

}  // namespace

HostEvent OpenedEvent(const SocketSlot& slot) {
  return EventOf(slot, slot.id.load(std::memory_order_relaxed), HostEventKind::kSocketOpened);
}

HostEvent ClosedEvent(const SocketSlot& slot, SocketId id) {
  HostEvent event = EventOf(slot, id, HostEventKind::kSocketClosed);
  event.close_reason = slot.close_reason;
  event.counters = std::make_shared<const CounterValues>(slot.counters.Read());
  return event;
}

}  // namespace sockhost
