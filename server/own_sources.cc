#include "own_sources.h"

#include <endian.h>
#include <sys/socket.h>

#include <cstring>

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
  sockaddr_storage storage{};
  destination.ToSockaddr(storage);
  Source source{NameOf(fd, getsockname), {}};
  if (!destination.is_datagram()) {
    source.second = EndOf(reinterpret_cast<const sockaddr_in6&>(storage));
  }
  if (source.first != End()) sources_.insert(source);
  return source;
}

bool OwnSources::IsPeerOf(int fd) const {
  if (sources_.empty()) return false;
  return sources_.contains({NameOf(fd, getpeername), NameOf(fd, getsockname)});
}

bool OwnSources::IsSender(const sockaddr_in6& address) const {
  return sources_.contains({EndOf(address), {}});
}

}  // namespace sockhost
