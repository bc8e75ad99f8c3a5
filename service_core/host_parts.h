// What a ServiceHost is made of.
#ifndef SOCKHOST_SERVICE_CORE_HOST_PARTS_H_
#define SOCKHOST_SERVICE_CORE_HOST_PARTS_H_

#include <optional>

#include "listener_thread.h"
#include "listeners.h"
#include "service_loop.h"
#include "service_registry.h"
#include "socket_table.h"
#include "sockhost/service_host.h"
#include "stall_watchdog.h"

namespace sockhost {

// In the order of dependence: each part uses those above it.
struct ServiceHost::Parts {
  ServiceRegistry registry;
  EventRing events;
  SocketTable table;
  ListenerThread listener_thread;
  Listeners listeners{table, registry, listener_thread};
  ServiceLoop loop{table};
  std::optional<StallWatchdog> watchdog;
  // Of the epoll set: a host that could not be made fails at Start.
  absl::Status opened = Open();
  std::atomic<bool> stopping{false};

 private:
  absl::Status Open() {
    table.RecordInto(events);
    return table.Open();
  }
};

// The parts of ServiceHost::OfProcess(), for the C API.
ServiceHost::Parts& ProcessParts();

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_HOST_PARTS_H_
