// RFC 868: seconds since 1900 in 32 bits. Runs on the service thread.
#include <arpa/inet.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "built_in_services.h"
#include "one_answer.h"

namespace sockhost {
namespace {

constexpr int64_t kFrom1900To1970 = 2'208'988'800;

// Network order. Wraps around in 2036, as the RFC has it.
std::string Seconds() {
  const uint32_t seconds =
      htonl(static_cast<uint32_t>(absl::ToUnixSeconds(absl::Now()) + kFrom1900To1970));
  std::string out(sizeof(seconds), '\0');
  std::memcpy(out.data(), &seconds, sizeof(seconds));
  return out;
}

void HandleTime(net_socket_service_event* event) { GiveOneAnswer(*event, Seconds()); }

}  // namespace

const sockhost_service_definition kTimeService = {
    .name = "time",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleTime,
    .capacity = 0,
    .connection_events = POLLOUT,
    .free_user_data = nullptr,
    .keeps_connections = 0,
};

}  // namespace sockhost
