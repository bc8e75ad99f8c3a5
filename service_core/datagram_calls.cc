// Datagrams in batches, counted.
#include <sys/socket.h>

#include "datagram_segments.h"
#include "socket_traffic.h"
#include "sockhost/socket_service_ext.h"
#include "uninterrupted.h"

using sockhost::CountReceive;
using sockhost::CountTransmit;
using sockhost::DatagramsIn;
using sockhost::Uninterrupted;

extern "C" {

int sockhost_recvmmsg(int fd, struct mmsghdr* messages, unsigned int count, int flags) {
  const int received = Uninterrupted([&] { return recvmmsg(fd, messages, count, flags, nullptr); });
  if (received < 0) {
    CountReceive(fd, -1, 0, 0);
    return received;
  }
  ssize_t bytes = 0;
  size_t truncated = 0;
  for (int i = 0; i < received; ++i) {
    bytes += messages[i].msg_len;
    truncated += (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
  }
  const bool is_drained = static_cast<unsigned>(received) < count;
  CountReceive(fd, bytes, static_cast<size_t>(received), truncated, is_drained);
  return received;
}

int sockhost_sendmmsg(int fd, struct mmsghdr* messages, unsigned int count, int flags) {
  const int sent = Uninterrupted([&] { return sendmmsg(fd, messages, count, flags); });
  if (sent < 0) {
    CountTransmit(fd, -1, 0, 0);
    return sent;
  }
  size_t bytes = 0;
  size_t datagrams = 0;
  for (int i = 0; i < sent; ++i) {
    bytes += messages[i].msg_len;
    datagrams += DatagramsIn(messages[i].msg_hdr, messages[i].msg_len);
  }
  // Datagrams are sent whole or not at all.
  CountTransmit(fd, static_cast<ssize_t>(bytes), bytes, datagrams);
  return sent;
}

}  // extern "C"
