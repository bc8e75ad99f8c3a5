// What happens in a host, one after another.
#ifndef SOCKHOST_HOST_EVENT_H_
#define SOCKHOST_HOST_EVENT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "sockhost/counters.h"
#include "sockhost/listener_config.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

enum class HostEventKind : uint8_t {
  kSocketOpened,          // in the table, and polled
  kSocketClosed,          // out of it; counters are final
  kListenerCreated,       // bound and polled
  kListenerUpdated,       // its declaration changed
  kListenerStateChanged,  // e.g. from ACTIVE to PAUSED
  kListenerDeleted,       // its last socket is closed, its name and address are free
  kServiceStalled,        // a handler has not come back for 200 ms
  kServiceRecovered,      // it has
};

// What stays the same about a socket as long as it lives.
struct SocketFacts {
  SocketId id = 0;
  int fd = -1;
  Role role = Role::kRegistered;
  Protocol protocol = Protocol::kNone;
  // nullptr for registered sockets.
  std::shared_ptr<const std::string> listener;
  SocketAddress remote;
  // Wall clock, ns since 1970.
  int64_t create_time_nanos = 0;
};

// What a HostEvent tells, where it stands: for the call that takes it. Connections come and go,
// and two copies of each would be most of what their events cost.
struct EventView {
  HostEventKind kind;
  // As in HostEvent.
  int64_t time_nanos;
  const std::shared_ptr<const std::string>& service;
  SocketId id;
  int fd;
  Role role;
  Protocol protocol;
  CloseReason close_reason;
  const std::shared_ptr<const std::string>& listener_of_socket;
  const SocketAddress& remote;
  int64_t create_time_nanos;
  const CounterValues& counters;
  const std::shared_ptr<const ListenerSnapshot>& listener;
};

// A copy; what is behind pointers never changes.
struct HostEvent {
  bool is_of_socket() const {
    return kind == HostEventKind::kSocketOpened || kind == HostEventKind::kSocketClosed;
  }

  HostEventKind kind = HostEventKind::kSocketOpened;
  // Counted up from 1 in each host, without a gap.
  int64_t sequence = 0;
  // Wall clock, ns since 1970.
  int64_t time_nanos = 0;
  // The service of the socket or listener, or the one that is stalled.
  std::shared_ptr<const std::string> service;
  // Of a socket's event.
  SocketFacts socket;
  CloseReason close_reason = CloseReason::kNone;
  // The final ones, of kSocketClosed.
  CounterValues counters;
  // Of a listener's event: as it was afterwards, counters included.
  std::shared_ptr<const ListenerSnapshot> listener;
};

}  // namespace sockhost

#endif  // SOCKHOST_HOST_EVENT_H_
