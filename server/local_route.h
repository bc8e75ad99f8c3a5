// Which addresses are this machine's.
#ifndef SOCKHOST_SERVER_LOCAL_ROUTE_H_
#define SOCKHOST_SERVER_LOCAL_ROUTE_H_

#include <netinet/in.h>

#include <cstdint>

namespace sockhost {

// True if what is sent to `address` (IPv4 in its IPv6 form) comes to this machine itself; also if
// the kernel cannot be asked, without a free fd for example: rather a destination too few than a
// loop. `scope_id` says on which link, where the address is not unique (else 0). Some system calls,
// none waits. Any thread.
//
// Asks where the kernel would send it, rtnetlink(7). Whether a socket can be bound to it says less:
// with net.ipv4.ip_nonlocal_bind one can be bound to every address.
bool IsOfThisMachine(const in6_addr& address, uint32_t scope_id);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LOCAL_ROUTE_H_
