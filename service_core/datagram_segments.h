// Messages that the kernel cuts into several datagrams.
#ifndef SOCKHOST_SERVICE_CORE_DATAGRAM_SEGMENTS_H_
#define SOCKHOST_SERVICE_CORE_DATAGRAM_SEGMENTS_H_

#include <sys/socket.h>

#include <cstddef>

namespace sockhost {

// How many messages one send call has sent that took `bytes` of `message`: with
// UDP_SEGMENT (udp(7)) the kernel makes several datagrams of it.
size_t DatagramsIn(const msghdr& message, size_t bytes);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_DATAGRAM_SEGMENTS_H_
