#include "sockhost/datagram_ports.h"

#include <array>
#include <atomic>

namespace sockhost {
namespace {

// How many listeners have each port: one at each address. 128 KiB of address
// space, of which only pages that are written to take memory.
std::array<std::atomic<uint16_t>, 65536> listeners_at;

}  // namespace

bool IsOwnDatagramPort(uint16_t port) {
  return listeners_at[port].load(std::memory_order_relaxed) != 0;
}

OwnDatagramPort::OwnDatagramPort(const SocketAddress& address)
    : port_(address.protocol() == Protocol::kUdp ? address.port() : uint16_t{0}) {
  if (port_ != 0) listeners_at[port_].fetch_add(1, std::memory_order_relaxed);
}

OwnDatagramPort::~OwnDatagramPort() {
  if (port_ != 0) listeners_at[port_].fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace sockhost
