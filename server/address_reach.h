// Which address leads to which listening socket.
#ifndef SOCKHOST_SERVER_ADDRESS_REACH_H_
#define SOCKHOST_SERVER_ADDRESS_REACH_H_

#include "sockhost/socket_address.h"

namespace sockhost {

// True if a connection to `upstream` reaches a socket that listens at `listening`: a wildcard
// address stands for every address of this machine, and an IPv4 address in its IPv6 form for
// itself. Unix sockets are compared by name. Up to a second behind where this machine has just got
// an address. Any thread.
bool Reaches(const SocketAddress& upstream, const SocketAddress& listening, bool ipv6_only);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADDRESS_REACH_H_
