#include "flow_batch.h"

#include <bit>
#include <cerrno>
#include <cstring>

#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

template <typename Info>
void SetControl(FlowPeer& peer, int level, int type, const Info& info) {
  auto* const message = reinterpret_cast<cmsghdr*>(peer.control.data());
  message->cmsg_level = level;
  message->cmsg_type = type;
  message->cmsg_len = CMSG_LEN(sizeof(info));
  std::memcpy(CMSG_DATA(message), &info, sizeof(info));
  peer.control_length = CMSG_SPACE(sizeof(info));
}

// The interface is left to routing: only link-local addresses need it.
void TakeLocalAddress(const cmsghdr& message, FlowPeer& peer) {
  if (message.cmsg_level == IPPROTO_IP && message.cmsg_type == IP_PKTINFO) {
    in_pktinfo info;
    std::memcpy(&info, CMSG_DATA(&message), sizeof(info));
    info.ipi_ifindex = 0;
    // Of a datagram that came before the kernel was asked.
    if (info.ipi_spec_dst.s_addr == 0) info.ipi_spec_dst = info.ipi_addr;
    SetControl(peer, IPPROTO_IP, IP_PKTINFO, info);
  }
  if (message.cmsg_level == IPPROTO_IPV6 && message.cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(&message), sizeof(info));
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
    // Nothing leaves from such an address.
    if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) return;
    SetControl(peer, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

}  // namespace

FlowPeer::SourceKey FlowPeer::Source() const { return std::bit_cast<SourceKey>(address); }

FlowPeer::HostKey FlowPeer::Host() const {
  if (address.sin6_family == AF_INET6) return std::bit_cast<HostKey>(address.sin6_addr);
  const auto& in = reinterpret_cast<const sockaddr_in&>(address);
  HostKey host{};
  std::memcpy(host.data(), &in.sin_addr, sizeof(in.sin_addr));
  return host;
}

FlowBatch& FlowBatch::OfServiceThread() {
  static auto* batch = new FlowBatch;
  return *batch;
}

FlowBatch::FlowBatch() : bytes_(std::make_unique_for_overwrite<char[]>(kMost * kLongest)) {
  for (size_t i = 0; i < kMost; ++i) {
    parts_[i].iov_base = bytes_.get() + i * kLongest;
    headers_[i] = {};
    headers_[i].msg_hdr.msg_iov = &parts_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

void FlowBatch::WantLocalAddress(int fd) {
  const int on = 1;
  // One of the two fails on an IPv4 socket.
  setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
  setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

int FlowBatch::Receive(int fd) {
  for (size_t i = 0; i < kMost; ++i) {
    parts_[i].iov_len = kLongest;
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &peers_[i];
    header.msg_namelen = sizeof(peers_[i]);
    header.msg_control = controls_[i].bytes;
    header.msg_controllen = sizeof(controls_[i].bytes);
  }
  const int count = sockhost_recvmmsg(fd, headers_.data(), kMost, MSG_DONTWAIT);
  return count < 0 ? -errno : count;
}

FlowPeer FlowBatch::Peer(size_t index) const {
  FlowPeer peer;
  const msghdr& header = headers_[index].msg_hdr;
  std::memcpy(&peer.address, &peers_[index], header.msg_namelen);
  peer.address_length = header.msg_namelen;
  auto& readable = const_cast<msghdr&>(header);
  for (cmsghdr* message = CMSG_FIRSTHDR(&readable); message;
       message = CMSG_NXTHDR(&readable, message)) {
    TakeLocalAddress(*message, peer);
  }
  return peer;
}

bool FlowBatch::IsFromSamePeer(size_t a, size_t b) const {
  const socklen_t length = headers_[a].msg_hdr.msg_namelen;
  return length == headers_[b].msg_hdr.msg_namelen &&
         std::memcmp(&peers_[a], &peers_[b], length) == 0;
}

int FlowBatch::Send(int fd, size_t first, size_t count, const FlowPeer* peer, int count_for) {
  for (size_t i = first; i < first + count; ++i) {
    parts_[i].iov_len = headers_[i].msg_len;
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = peer ? const_cast<sockaddr_in6*>(&peer->address) : nullptr;
    header.msg_namelen = peer ? peer->address_length : 0;
    header.msg_control = peer ? const_cast<char*>(peer->control.data()) : nullptr;
    header.msg_controllen = peer ? peer->control_length : 0;
  }
  const size_t end = first + count;
  size_t next = first;
  size_t lost = 0;
  int error = 0;
  while (next < end && error == 0) {
    const int taken = sockhost_sendmmsg(fd, headers_.data() + next,
                                        static_cast<unsigned>(end - next), MSG_DONTWAIT);
    if (taken > 0) {
      next += static_cast<size_t>(taken);
    } else if (errno == EMSGSIZE) {
      // Too long for this way, which says nothing of those behind it.
      ++next;
      ++lost;
    } else {
      error = errno;
      lost += end - next;
    }
  }
  if (lost > 0) sockhost_socket_count_dropped(count_for, lost, SOCKHOST_DROP_UNSENT);
  return error;
}

}  // namespace sockhost
