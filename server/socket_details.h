// What the kernel knows of a socket: SOCKET_VIEW_FULL.
#ifndef SOCKHOST_SERVER_SOCKET_DETAILS_H_
#define SOCKHOST_SERVER_SOCKET_DETAILS_H_

#include "sockhost/service_host.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost {

// Adds tcp_info, queues, memory and options of `socket` to `out`, as far as its
// kind has them; nothing if it is closed, or no socket. Some twenty system calls,
// none of which changes the socket: SO_ERROR, which clears the error, is not among
// them. Any thread.
void EncodeDetails(const ServiceHost& host, const SocketSnapshot& socket, v1::Socket& out);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SOCKET_DETAILS_H_
