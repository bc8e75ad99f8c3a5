// The IP addresses at which this process's own listeners listen.
#ifndef SOCKHOST_OWN_ADDRESSES_H_
#define SOCKHOST_OWN_ADDRESSES_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// While it lives, `address`, which was bound just now, counts as one of ours. Nothing for a unix
// socket: see OwnSocketFile. Any thread.
class OwnAddress {
 public:
  OwnAddress(const SocketAddress& address, bool ipv6_only);
  ~OwnAddress();
  OwnAddress(const OwnAddress&) = delete;
  OwnAddress& operator=(const OwnAddress&) = delete;

  const SocketAddress& address() const { return address_; }
  bool ipv6_only() const { return ipv6_only_; }

 private:
  const SocketAddress address_;
  const bool ipv6_only_;
};

// An address, as it is bound.
struct BoundAddress {
  SocketAddress address;
  // [::] takes no IPv4.
  bool ipv6_only;
};

// Where this process listens with the protocol and the port of `destination`. Any thread; no
// system call.
absl::InlinedVector<BoundAddress, 2> OwnAddressesLike(const SocketAddress& destination);

}  // namespace sockhost

#endif  // SOCKHOST_OWN_ADDRESSES_H_
