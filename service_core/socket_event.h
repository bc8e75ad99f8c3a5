// The events in the life of a socket.
#ifndef SOCKHOST_SERVICE_CORE_SOCKET_EVENT_H_
#define SOCKHOST_SERVICE_CORE_SOCKET_EVENT_H_

#include "socket_table.h"
#include "sockhost/host_event.h"

namespace sockhost {

// Both point into what they are made of.

// `slot` stands in the table; under its mutex.
EventView OpenedEvent(const SocketSlot& slot);

// `closed` has its reason and its final counters.
EventView ClosedEvent(const SocketSnapshot& closed);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SOCKET_EVENT_H_
