#include "socket_event.h"

#include "listener.h"

namespace sockhost {
namespace {

const std::shared_ptr<const std::string> kNoName;
const std::shared_ptr<const ListenerSnapshot> kNoListener;
const SocketAddress kNoAddress;
const CounterValues kNoCounters;

}  // namespace

EventView OpenedEvent(const SocketSlot& slot) {
  return {.kind = HostEventKind::kSocketOpened,
          .time_nanos = slot.create_time_nanos,
          .service = slot.service->name,
          .id = slot.id.load(std::memory_order_relaxed),
          .fd = slot.fd,
          .role = slot.role,
          .protocol = slot.protocol,
          .close_reason = CloseReason::kNone,
          .listener_of_socket = slot.listener ? slot.listener->name() : kNoName,
          .remote = slot.has_peer_address() ? slot.address : kNoAddress,
          .create_time_nanos = slot.create_time_nanos,
          .counters = kNoCounters,
          .listener = kNoListener};
}

EventView ClosedEvent(const SocketSnapshot& closed) {
  return {.kind = HostEventKind::kSocketClosed,
          .time_nanos = closed.close_time_nanos,
          .service = closed.service,
          .id = closed.id,
          .fd = closed.fd,
          .role = closed.role,
          .protocol = closed.protocol,
          .close_reason = closed.close_reason,
          .listener_of_socket = closed.listener,
          .remote = closed.remote,
          .create_time_nanos = closed.create_time_nanos,
          .counters = closed.counters,
          .listener = kNoListener};
}

}  // namespace sockhost
