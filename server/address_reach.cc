#include "address_reach.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
#include "local_route.h"
#include "monotonic_time.h"

namespace sockhost {
namespace {

// An IP address in its IPv6 form.
struct Host {
  Host() = default;
  explicit Host(const SocketAddress& address) {
    sockaddr_storage storage;
    address.ToSockaddr(storage);
    if (storage.ss_family == AF_INET6) {
      const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(storage);
      bytes = ipv6.sin6_addr;
      scope_id = ipv6.sin6_scope_id;
      return;
    }
    bytes.s6_addr[10] = bytes.s6_addr[11] = 0xff;
    std::memcpy(&bytes.s6_addr[12], &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
  }

  bool is_ipv4() const { return IN6_IS_ADDR_V4MAPPED(&bytes); }
  bool is_wildcard() const {
    return is_ipv4() ? bytes.s6_addr32[3] == 0 : IN6_IS_ADDR_UNSPECIFIED(&bytes);
  }
  bool is_loopback() const {
    return is_ipv4() ? bytes.s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(&bytes);
  }
  // A connection to a wildcard address goes to the loopback address of its family.
  Host AsDestination() const {
    Host destination = *this;
    if (!is_wildcard()) return destination;
    if (is_ipv4()) destination.bytes.s6_addr[12] = 127;
    destination.bytes.s6_addr[15] = 1;
    return destination;
  }
  bool operator==(const Host& other) const {
    return std::memcmp(&bytes, &other.bytes, sizeof(bytes)) == 0;
  }

  in6_addr bytes{};
  // Of a link-local address.
  uint32_t scope_id = 0;
};

// An address that was another machine's lately.
struct ForeignHost {
  Host host;
  absl::Duration until;
};

// Who forwards to the port at which he listens himself asks for each connection: four system
// calls are saved. An address that this machine gets counts as its own a second later.
bool IsOwn(const Host& host) {
  constexpr size_t kSlots = 32;
  constexpr absl::Duration kTrusted = absl::Seconds(1);
  static thread_local ForeignHost known[kSlots];
  if (host.is_loopback()) return true;
  ForeignHost& place = known[absl::HashOf(host.bytes.s6_addr32[0], host.bytes.s6_addr32[1],
                                          host.bytes.s6_addr32[2], host.bytes.s6_addr32[3]) %
                             kSlots];
  const absl::Duration now = MonotonicTime();
  const bool is_known = place.host == host && place.host.scope_id == host.scope_id;
  if (is_known && now < place.until) return false;
  if (IsOfThisMachine(host.bytes, host.scope_id)) return true;
  place = {host, now + kTrusted};
  return false;
}

}  // namespace

bool Reaches(const SocketAddress& upstream, const SocketAddress& listening, bool ipv6_only) {
  if (upstream.protocol() != listening.protocol()) return false;
  if (upstream.family() == AF_UNIX) return upstream == listening;
  if (upstream.port() != listening.port()) return false;
  const Host destination = Host(upstream).AsDestination();
  const Host host(listening);
  if (!host.is_wildcard()) return destination == host;
  // [::] takes IPv4, too, unless it is told not to.
  const bool takes_family =
      host.is_ipv4() ? destination.is_ipv4() : !destination.is_ipv4() || !ipv6_only;
  return takes_family && IsOwn(destination);
}

}  // namespace sockhost
