// How many connections come from where.
#ifndef SOCKHOST_SERVICE_CORE_CONNECTION_SOURCES_H_
#define SOCKHOST_SERVICE_CORE_CONNECTION_SOURCES_H_

#include <cstdint>
#include <unordered_map>

#include "sockhost/socket_address.h"

namespace sockhost {

// Counts the connections of one listener by source: an IPv4 address, or the /64
// of an IPv6 address, which is what one customer of a network has. Costs memory
// for sources that are connected only. Thread rule: the service thread.
class ConnectionSources {
 public:
  void Add(const SocketAddress& peer) { ++counts_[peer.SourceKey()]; }
  void Remove(const SocketAddress& peer);
  int Count(const SocketAddress& peer) const;

 private:
  std::unordered_map<uint64_t, int> counts_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_CONNECTION_SOURCES_H_
