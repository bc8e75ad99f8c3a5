#include "datagram_segments.h"

#include <netinet/udp.h>

#include <cstdint>
#include <cstring>

namespace sockhost {

size_t DatagramsIn(const msghdr& message, size_t bytes) {
  auto* const header = const_cast<msghdr*>(&message);
  for (cmsghdr* control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
    if (control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_SEGMENT) continue;
    uint16_t segment = 0;
    std::memcpy(&segment, CMSG_DATA(control), sizeof(segment));
    if (segment > 0 && bytes > 0) return (bytes + segment - 1) / segment;
  }
  return 1;
}

}  // namespace sockhost
