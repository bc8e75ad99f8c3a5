// The PROXY protocol, version 2: tells an upstream who its client is.
#ifndef SOCKHOST_SERVER_PROXY_HEADER_H_
#define SOCKHOST_SERVER_PROXY_HEADER_H_

#include <sys/socket.h>

#include <string>

namespace sockhost {

// The header of a connection from `source` to `destination`, to be sent before
// everything else; binary, see section 2.2 of
// https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt. IPv4 addresses in
// their IPv6 form are sent as IPv4. Where the two are not of one IP family (unix
// sockets), it says PROXY with an unspecified family and no addresses.
std::string ProxyHeader(const sockaddr_storage& source, const sockaddr_storage& destination);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PROXY_HEADER_H_
