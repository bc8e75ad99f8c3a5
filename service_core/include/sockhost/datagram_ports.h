// The UDP ports of this process's own listeners.
#ifndef SOCKHOST_DATAGRAM_PORTS_H_
#define SOCKHOST_DATAGRAM_PORTS_H_

#include <cstdint>

#include "sockhost/socket_address.h"

namespace sockhost {

// True if a UDP listener of this process has `port`, at whatever address. A
// datagram that comes from there was sent by one of our own services, or is forged
// to look so. Any thread; one load.
bool IsOwnDatagramPort(uint16_t port);

// While it lives, the port of `address` counts as one of ours. Nothing for an
// address that is not UDP. Any thread.
class OwnDatagramPort {
 public:
  explicit OwnDatagramPort(const SocketAddress& address);
  ~OwnDatagramPort();
  OwnDatagramPort(const OwnDatagramPort&) = delete;
  OwnDatagramPort& operator=(const OwnDatagramPort&) = delete;

 private:
  // 0: none.
  const uint16_t port_;
};

}  // namespace sockhost

#endif  // SOCKHOST_DATAGRAM_PORTS_H_
