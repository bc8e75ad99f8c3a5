#include "datagram_runs.h"

#include <netinet/udp.h>

#include <cstring>

namespace sockhost {
namespace {

size_t SizeOf(const mmsghdr& datagram) { return datagram.msg_hdr.msg_iov->iov_len; }

bool SameBytes(const void* one, size_t one_size, const void* other, size_t other_size) {
  return one_size == other_size && (one_size == 0 || std::memcmp(one, other, one_size) == 0);
}

// Unix sockets know no segments: one message would arrive as one.
bool CanBeSegment(const mmsghdr& datagram) {
  const msghdr& header = datagram.msg_hdr;
  if (header.msg_namelen < sizeof(sockaddr_in)) return false;
  const sa_family_t family = static_cast<const sockaddr*>(header.msg_name)->sa_family;
  const size_t size = SizeOf(datagram);
  return (family == AF_INET || family == AF_INET6) && size > 0 && size <= DatagramRuns::kLongest;
}

// The same size, peer, and address to send from.
bool BelongTogether(const mmsghdr& one, const mmsghdr& other) {
  const msghdr& a = one.msg_hdr;
  const msghdr& b = other.msg_hdr;
  return SizeOf(one) == SizeOf(other) &&
         SameBytes(a.msg_name, a.msg_namelen, b.msg_name, b.msg_namelen) &&
         SameBytes(a.msg_control, a.msg_controllen, b.msg_control, b.msg_controllen);
}

}  // namespace

void DatagramRuns::Join(std::span<const mmsghdr> datagrams) {
  datagrams_ = datagrams;
  count_ = 0;
  for (size_t begin = 0, end = 0; begin < datagrams.size(); begin = end) {
    end = begin + 1;
    if (CanBeSegment(datagrams[begin])) {
      while (end < datagrams.size() && BelongTogether(datagrams[begin], datagrams[end])) ++end;
    }
    AddRun(begin, end);
  }
}

void DatagramRuns::AddRun(size_t begin, size_t end) {
  const size_t i = count_++;
  begins_[i] = begin;
  messages_[i] = datagrams_[begin];
  if (end - begin == 1) return;
  for (size_t j = begin; j < end; ++j) parts_[j] = *datagrams_[j].msg_hdr.msg_iov;

  msghdr& header = messages_[i].msg_hdr;
  header.msg_iov = &parts_[begin];
  header.msg_iovlen = end - begin;
  // The size of a segment goes behind what is there.
  char* const control = controls_[i].bytes;
  if (header.msg_controllen > 0) std::memcpy(control, header.msg_control, header.msg_controllen);
  const cmsghdr size_header{CMSG_LEN(sizeof(uint16_t)), SOL_UDP, UDP_SEGMENT};
  const auto size = static_cast<uint16_t>(parts_[begin].iov_len);
  char* const own = control + CMSG_ALIGN(header.msg_controllen);
  std::memcpy(own, &size_header, sizeof(size_header));
  std::memcpy(own + CMSG_LEN(0), &size, sizeof(size));
  header.msg_control = control;
  header.msg_controllen = CMSG_ALIGN(header.msg_controllen) + CMSG_SPACE(sizeof(size));
}

std::span<const mmsghdr> DatagramRuns::DatagramsOf(size_t i) const {
  const size_t end = i + 1 < count_ ? begins_[i + 1] : datagrams_.size();
  return datagrams_.subspan(begins_[i], end - begins_[i]);
}

}  // namespace sockhost
