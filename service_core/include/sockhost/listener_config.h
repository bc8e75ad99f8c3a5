// Listeners as an embedding program sees them.
#ifndef SOCKHOST_LISTENER_CONFIG_H_
#define SOCKHOST_LISTENER_CONFIG_H_

#include <cstdint>
#include <memory>
#include <string>

#include "sockhost/counters.h"
#include "sockhost/service_parameters.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// What an embedding program keeps with a listener; it goes with the listener.
struct ListenerAttachment {
  virtual ~ListenerAttachment() = default;
};

// What to open, and which service handles it. The meaning and range of each
// field stands in proto/sockhost/v1/listener.proto.
struct ListenerConfig {
  // ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$
  std::string name;
  std::string service;
  SocketAddress address;
  int backlog = 0;
  int max_connections = 0;
  bool ipv6_only = false;
  // For the service; nullptr if it takes none.
  std::shared_ptr<const ServiceParameters> parameters;
  std::shared_ptr<const ListenerAttachment> attachment;
};

enum class ListenerState : uint8_t { kActive, kPaused, kDraining };

// A copy; plain data.
struct ListenerSnapshot {
  std::shared_ptr<const ListenerConfig> config;
  SocketAddress effective_address;
  int effective_backlog = 0;
  ListenerState state = ListenerState::kActive;
  std::string state_reason;
  CounterValues counters;
};

}  // namespace sockhost

#endif  // SOCKHOST_LISTENER_CONFIG_H_
