// Names of resources: `listeners/web`, `sockets/12`, `services/echo`.
#ifndef SOCKHOST_SERVER_RESOURCE_NAME_H_
#define SOCKHOST_SERVER_RESOURCE_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

std::string ListenerName(absl::string_view id);
std::string SocketName(SocketId id);
std::string ServiceName(absl::string_view id);

// The id behind `collection` ("listeners"). Error: NAME_INVALID with field
// "name".
absl::StatusOr<std::string> ParseName(absl::string_view collection, absl::string_view name);

// As ParseName for listeners, whose ids have a form of their own. Error: NAME_INVALID.
absl::StatusOr<std::string> ParseListenerName(absl::string_view name);

// As ParseName for sockets. Error: NAME_INVALID.
absl::StatusOr<SocketId> ParseSocketName(absl::string_view name);

// The id of a service given as `services/echo` or `echo`.
absl::string_view ServiceId(absl::string_view service);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_RESOURCE_NAME_H_
