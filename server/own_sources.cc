#include "own_sources.h"

#include <endian.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/algorithm/container.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

OwnSources::End EndOf(const sockaddr_in6& address) {
  if (address.sin6_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    const uint64_t mapped = uint64_t{0xffff} << 32 | ntohl(in.sin_addr.s_addr);
    return {absl::MakeUint128(0, mapped), in.sin_port};
  }
  if (address.sin6_family != AF_INET6) return {};
  uint64_t halves[2];
  std::memcpy(halves, &address.sin6_addr, sizeof(halves));
  return {absl::MakeUint128(be64toh(halves[0]), be64toh(halves[1])), address.sin6_port};
}

OwnSources::End NameOf(int fd, NameFunction function) {
  sockaddr_in6 address{};
  socklen_t length = sizeof(address);
  if (function(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return EndOf(address);
}

}  // namespace

OwnSources& OwnSources::OfServiceThread() {
  static auto* sources = new OwnSources;
  return *sources;
}

OwnSources::Source OwnSources::Add(int fd, const SocketAddress& destination) {
  if (!destination.is_datagram() && !sockhost_may_listen_on(destination.port())) return {};
  sockaddr_storage storage{};
  destination.ToSockaddr(storage);
  Source source{NameOf(fd, getsockname), {}};
  if (!destination.is_datagram()) {
    source.second = EndOf(reinterpret_cast<const sockaddr_in6&>(storage));
  }
  if (source.first != End()) sources_[source.first].push_back(source.second);
  return source;
}

void OwnSources::Remove(const Source& source) {
  if (source == Source()) return;
  const auto found = sources_.find(source.first);
  if (found == sources_.end()) return;
  auto& remote = found->second;
  const auto place = std::find(remote.begin(), remote.end(), source.second);
  if (place != remote.end()) remote.erase(place);
  if (remote.empty()) sources_.erase(found);
}

bool OwnSources::Contains(const End& local, const End& remote) const {
  const auto found = sources_.find(local);
  return found != sources_.end() && absl::c_linear_search(found->second, remote);
}

bool OwnSources::IsPeerOf(int fd) const {
  const End peer = NameOf(fd, sockhost_socket_peer);
  // A client from elsewhere costs no system call.
  return sources_.contains(peer) && Contains(peer, NameOf(fd, getsockname));
}

bool OwnSources::IsSender(const sockaddr_in6& address) const {
  return Contains(EndOf(address), {});
}

}  // namespace sockhost
