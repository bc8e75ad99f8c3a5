#include "sockhost/own_addresses.h"

#include <map>
#include <utility>

#include "mutex.h"

namespace sockhost {
namespace {

using Key = std::pair<Protocol, uint16_t>;

// Never destroyed: threads may outlive main.
struct OwnAddresses {
  Mutex mutex;
  std::multimap<Key, const OwnAddress*> at ABSL_GUARDED_BY(mutex);
};

OwnAddresses& OfProcess() {
  static auto* addresses = new OwnAddresses;
  return *addresses;
}

Key KeyOf(const SocketAddress& address) { return {address.protocol(), address.port()}; }

}  // namespace

OwnAddress::OwnAddress(const SocketAddress& address, bool ipv6_only)
    : address_(address), ipv6_only_(ipv6_only) {
  if (address_.is_unix()) return;
  OwnAddresses& own = OfProcess();
  MutexLock lock(own.mutex);
  own.at.emplace(KeyOf(address_), this);
}

OwnAddress::~OwnAddress() {
  if (address_.is_unix()) return;
  OwnAddresses& own = OfProcess();
  MutexLock lock(own.mutex);
  auto place = own.at.lower_bound(KeyOf(address_));
  while (place->second != this) ++place;
  own.at.erase(place);
}

absl::InlinedVector<BoundAddress, 2> OwnAddressesLike(const SocketAddress& destination) {
  absl::InlinedVector<BoundAddress, 2> out;
  OwnAddresses& own = OfProcess();
  MutexLock lock(own.mutex);
  const auto [first, end] = own.at.equal_range(KeyOf(destination));
  for (auto place = first; place != end; ++place) {
    out.push_back({place->second->address(), place->second->ipv6_only()});
  }
  return out;
}

}  // namespace sockhost
