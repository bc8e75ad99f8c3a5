// RFC 867: the time of day as text, to whoever connects or sends a datagram. Runs
// on the service thread.
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "built_in_services.h"
#include "one_answer.h"

namespace sockhost {
namespace {

// In UTC, in the form that the RFC shows first.
std::string Daytime() {
  return absl::FormatTime("%A, %B %d, %Y %H:%M:%S-UTC\r\n", absl::Now(), absl::UTCTimeZone());
}

void HandleDaytime(net_socket_service_event* event) { GiveOneAnswer(*event, Daytime()); }

}  // namespace

const sockhost_service_definition kDaytimeService = {
    .name = "daytime",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleDaytime,
    .capacity = 0,
    .connection_events = POLLOUT,
    .free_user_data = nullptr,
    .keeps_connections = 0,
};

}  // namespace sockhost
