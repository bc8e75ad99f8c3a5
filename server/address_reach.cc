#include "address_reach.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
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
      bytes = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
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
};

// True for the addresses of this machine: only to those a socket can be bound.
bool CanBind(const Host& host) {
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = host.bytes;
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return bound;
}

// An address that was another machine's lately.
struct ForeignHost {
  Host host;
  absl::Duration until;
};

// Who forwards to the port at which he listens himself asks for each connection: three system
// calls are saved. An address that this machine gets counts as its own a second later.
bool IsOfThisMachine(const Host& host) {
  constexpr size_t kSlots = 32;
  constexpr absl::Duration kTrusted = absl::Seconds(1);
  static thread_local ForeignHost known[kSlots];
  if (host.is_loopback()) return true;
  ForeignHost& place = known[absl::HashOf(host.bytes.s6_addr32[0], host.bytes.s6_addr32[1],
                                          host.bytes.s6_addr32[2], host.bytes.s6_addr32[3]) %
                             kSlots];
  const absl::Duration now = MonotonicTime();
  if (place.host == host && now < place.until) return false;
  if (CanBind(host)) return true;
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
  return takes_family && IsOfThisMachine(destination);
}

}  // namespace sockhost
