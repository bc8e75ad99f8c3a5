// A sample: all sockets at one moment.
#ifndef SOCKHOST_SERVER_SOCKET_SAMPLE_H_
#define SOCKHOST_SERVER_SOCKET_SAMPLE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "sockhost/service_host.h"

namespace sockhost {

// Shared by every watch that sends it; never changed once made.
struct SocketSample {
  // Wall clock, ns since 1970: when the copying began.
  int64_t time_nanos = 0;
  // In the order of ids.
  std::vector<SocketSnapshot> sockets;
};

// Copies all sockets whose ids are beyond `after`. Any thread; costs about a
// microsecond for each socket.
std::shared_ptr<const SocketSample> TakeSample(const ServiceHost& host, SocketId after = 0);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SOCKET_SAMPLE_H_
