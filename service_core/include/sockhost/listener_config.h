// Listeners as an embedding program sees them.
#ifndef SOCKHOST_LISTENER_CONFIG_H_
#define SOCKHOST_LISTENER_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sockhost/counters.h"
#include "sockhost/service_parameters.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// What an embedding program keeps with a listener; it goes with the listener.
struct ListenerAttachment {
  virtual ~ListenerAttachment() = default;
  // About how much memory it takes, together with the parameters of the service: what keeps
  // listeners that are long gone keeps fewer of the large ones.
  size_t bytes = 0;
};

// Who may connect to a unix socket with a path: write permission is what counts.
struct UnixSocketAccess {
  // Permission bits; 0: 0660.
  unsigned mode = 0;
  // As in chown(2); -1: the daemon's own.
  int64_t owner = -1;
  int64_t group = -1;

  bool operator==(const UnixSocketAccess&) const = default;
};

// Options that accepted connections inherit from the listening socket (tcp(7)). Can be
// changed while the socket is open. Zero: the system's default.
struct SocketTuning {
  // Of TCP connections; the next three are for those that have it.
  bool keepalive = false;
  absl::Duration keepalive_idle;
  absl::Duration keepalive_interval;
  int keepalive_count = 0;
  absl::Duration tcp_user_timeout;
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;

  bool operator==(const SocketTuning&) const = default;
};

// How a listener's socket is opened.
struct SocketOptions {
  // Length of the accept queue; the kernel caps it at net.core.somaxconn. 0: 4096.
  // Can be changed while the socket is open.
  int backlog = 0;
  // An IPv6 socket takes no IPv4 traffic.
  bool ipv6_only = false;
  // Other sockets that ask for it too may be bound to the same address.
  bool reuse_port = false;
  UnixSocketAccess unix_access = {};
  SocketTuning tuning = {};
};

// What to open, and which service handles it. The meaning and range of each
// field stands in proto/sockhost/v1/listener.proto.
struct ListenerConfig {
  // ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$
  std::string name;
  std::string service;
  SocketAddress address;
  bool enabled = true;
  SocketOptions socket;
  int max_connections = 0;
  int max_connections_per_source = 0;
  int max_accepts_per_event = 0;
  // Zero: none.
  absl::Duration idle_timeout;
  absl::Duration max_lifetime;
  absl::Duration drain_timeout = absl::Seconds(30);
  // For the service; nullptr if it takes none.
  std::shared_ptr<const ServiceParameters> parameters;
  std::shared_ptr<const ListenerAttachment> attachment;
};

// Whether a call that would change something does, or only tells whether it could.
enum class Keep { kYes, kNo };

// True if a listener may have this name: ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$
bool IsListenerId(absl::string_view id);

// Errors: LISTENER_ID_INVALID, FIELD_INVALID with the field.
absl::Status ValidateListenerConfig(const ListenerConfig& config);

//                        the socket cannot be opened
//              kStarting -------------------------> kFailed
//               ^  ^  |   <-------------------------   |
//               |  |  |      retry, with back-off      |
//        enable |  |  | opened                         |
//               |  |  v          Pause, or no fds      |
//               |  |  kActive ----------------> kPaused
//               |  |  |   ^   <----------------   |    |
//               |  |  |      Resume, or fds again  |    |
//               |  |  | Drain                     |    |
//        Resume |  |  v                           |    |
//               |  kDraining <--------------------+    |
//               |     |          Drain                 |
//               |     | disable                        |
//               |     v          disable               |
//              kDisabled <--- (from every state) ------+
//
// Delete leads from every state to kDraining, until the last socket is closed;
// nothing leads back from there then. The host's stop does so too.
enum class ListenerState : uint8_t { kStarting, kActive, kPaused, kDraining, kFailed, kDisabled };

// A copy; plain data.
struct ListenerSnapshot {
  std::shared_ptr<const ListenerConfig> config;
  SocketAddress effective_address;
  int effective_backlog = 0;
  int effective_receive_buffer_bytes = 0;
  int effective_send_buffer_bytes = 0;
  ListenerState state = ListenerState::kActive;
  // Why it is so, where that is not plain; for people.
  std::string state_reason;
  // Wall clock, ns since 1970: when connections that are left are closed; 0: no
  // drain is in progress.
  int64_t drain_deadline_nanos = 0;
  CounterValues counters;
};

}  // namespace sockhost

#endif  // SOCKHOST_LISTENER_CONFIG_H_
