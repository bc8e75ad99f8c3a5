#include "datagram_batch.h"

#include "sockhost/socket_service_ext.h"

namespace sockhost {

DatagramBatch& DatagramBatch::OfServiceThread() {
  static DatagramBatch batch;
  return batch;
}

DatagramBatch::DatagramBatch() : bytes_(std::make_unique<char[]>(kMost * kLongest)) {
  for (size_t i = 0; i < kMost; ++i) {
    parts_[i].iov_base = bytes_.get() + i * kLongest;
    headers_[i] = {};
    headers_[i].msg_hdr.msg_name = &peers_[i];
    headers_[i].msg_hdr.msg_iov = &parts_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

size_t DatagramBatch::Receive(int fd) {
  for (size_t i = 0; i < kMost; ++i) {
    parts_[i].iov_len = kLongest;
    headers_[i].msg_hdr.msg_namelen = sizeof(peers_[i]);
  }
  const int count = sockhost_recvmmsg(fd, headers_.data(), kMost, MSG_DONTWAIT);
  return count > 0 ? static_cast<size_t>(count) : 0;
}

void DatagramBatch::SendBack(int fd, size_t count) {
  for (size_t i = 0; i < count; ++i) parts_[i].iov_len = headers_[i].msg_len;
  size_t sent = 0;
  while (sent < count) {
    const int taken = sockhost_sendmmsg(fd, headers_.data() + sent,
                                        static_cast<unsigned>(count - sent), MSG_DONTWAIT);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      continue;
    }
    // The first of the rest was refused (ENOBUFS, an unreachable peer): only this
    // one is lost.
    sockhost_socket_count_dropped(fd, 1);
    ++sent;
  }
}

}  // namespace sockhost
