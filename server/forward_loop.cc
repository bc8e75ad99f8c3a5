#include "forward_loop.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "forward_route.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// An IP address in its IPv6 form.
struct Host {
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
bool IsOfThisMachine(const Host& host) {
  if (host.is_loopback()) return true;
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = host.bytes;
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return bound;
}

// True if a connection to `upstream` reaches a socket that listens at `listening`.
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

absl::Status Loop(const ListenerConfig& config, const SocketAddress& upstream,
                  const std::string& listener, size_t index) {
  return Error(
      Reason::kFORWARD_LOOP,
      absl::StrCat("cannot forward to ", upstream.ToString(), ": it is listener \"", listener, "\"",
                   listener == config.name ? " itself" : " of this host",
                   "; bind the service there, or name a server elsewhere"),
      {{"upstream", upstream.ToString()}, {"listener", absl::StrCat("listeners/", listener)}},
      absl::StrCat("listener.forward.upstreams[", index, "]"));
}

absl::Status LoopFrom(const ListenerConfig& config, const SocketAddress& upstream,
                      const std::string& listener) {
  return Error(
      Reason::kFORWARD_LOOP,
      absl::StrCat("cannot listen on ", config.address.ToString(), " and forward: listener \"",
                   listener, "\" of this host forwards to ", upstream.ToString(),
                   "; choose another address"),
      {{"upstream", upstream.ToString()}, {"listener", absl::StrCat("listeners/", listener)}},
      "listener.address");
}

using Upstreams = std::vector<std::shared_ptr<Upstream>>;

// Null if it does not forward.
const Upstreams* UpstreamsOf(const ListenerConfig& config) {
  const auto* parameters = dynamic_cast<const ForwardParameters*>(config.parameters.get());
  return parameters ? &parameters->route->upstreams->upstreams() : nullptr;
}

// Where it listens, or will when it is opened.
const SocketAddress& AddressOf(const ListenerSnapshot& listener) {
  return listener.effective_address.empty() ? listener.config->address : listener.effective_address;
}

}  // namespace

bool Forwards(const ListenerConfig& config) { return UpstreamsOf(config) != nullptr; }

absl::Status RefuseForwardLoop(const ListenerConfig& config, const ServiceHost& host) {
  const Upstreams* upstreams = UpstreamsOf(config);
  if (!upstreams) return absl::OkStatus();
  std::vector<ListenerSnapshot> listeners = host.ListListeners();
  // Of itself before an update that leaves its address.
  const bool moves =
      0 < std::erase_if(listeners, [&config](const ListenerSnapshot& own) {
        return own.config->name == config.name && own.config->address != config.address;
      });
  for (size_t i = 0; i < upstreams->size(); ++i) {
    for (const SocketAddress& upstream : (*upstreams)[i]->addresses()) {
      if (Reaches(upstream, config.address, config.socket.ipv6_only)) {
        return Loop(config, upstream, config.name, i);
      }
      for (const ListenerSnapshot& own : listeners) {
        if (Reaches(upstream, AddressOf(own), own.config->socket.ipv6_only)) {
          return Loop(config, upstream, own.config->name, i);
        }
      }
    }
  }
  // A cycle is closed by the last listener that is made, which has been looked at
  // above, or by one that moves into the way of another.
  for (const ListenerSnapshot& own : listeners) {
    if (!moves) break;
    const Upstreams* others = own.config->name == config.name ? nullptr : UpstreamsOf(*own.config);
    if (!others) continue;
    for (const std::shared_ptr<Upstream>& other : *others) {
      for (const SocketAddress& upstream : other->addresses()) {
        if (Reaches(upstream, config.address, config.socket.ipv6_only)) {
          return LoopFrom(config, upstream, own.config->name);
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace sockhost
