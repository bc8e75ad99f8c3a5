#include "datagram_batch.h"

#include <cstring>
#include <optional>
#include <utility>

#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

// The address that was asked, and makes the same header say where the answer is to
// be sent from. Nothing if the socket does not tell (it is bound to one address).
std::optional<sockaddr_in6> TakeDestination(msghdr& header) {
  cmsghdr* control = CMSG_FIRSTHDR(&header);
  if (!control) return std::nullopt;
  sockaddr_in6 out{};
  if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
    in_pktinfo info;
    std::memcpy(&info, CMSG_DATA(control), sizeof(info));
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(out);
    ipv4.sin_family = AF_INET;
    // They differ when the datagram was sent to a broadcast or multicast address.
    const bool unicast = info.ipi_addr.s_addr == info.ipi_spec_dst.s_addr;
    ipv4.sin_addr.s_addr = unicast ? info.ipi_addr.s_addr : INADDR_BROADCAST;
    // Routing decides where the answer leaves: the way back may be another one.
    info.ipi_ifindex = 0;
    std::memcpy(CMSG_DATA(control), &info, sizeof(info));
    return out;
  }
  if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(control), sizeof(info));
    out.sin6_family = AF_INET6;
    out.sin6_addr = info.ipi6_addr;
    // A link-local address means nothing without its interface.
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
    std::memcpy(CMSG_DATA(control), &info, sizeof(info));
    return out;
  }
  header.msg_controllen = 0;
  return std::nullopt;
}

}  // namespace

DatagramBatch& DatagramBatch::OfServiceThread() {
  static DatagramBatch batch;
  return batch;
}

DatagramBatch::DatagramBatch() : bytes_(std::make_unique<char[]>(kMost * kLongest)) {
  for (size_t i = 0; i < kMost; ++i) {
    headers_[i] = {};
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &peers_[i];
    header.msg_iov = &parts_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
  }
}

size_t DatagramBatch::Receive(int fd) {
  for (size_t i = 0; i < kMost; ++i) parts_[i] = {bytes_.get() + i * kLongest, kLongest};
  for (mmsghdr& message : headers_) {
    message.msg_hdr.msg_namelen = sizeof(Peer);
    message.msg_hdr.msg_controllen = sizeof(Control);
  }
  const int count = sockhost_recvmmsg(fd, headers_.data(), kMost, MSG_DONTWAIT);
  return count > 0 ? static_cast<size_t>(count) : 0;
}

size_t DatagramBatch::ReceiveRequests(int fd, DatagramGuard& guard) {
  const size_t received = Receive(fd);
  guard.Begin(fd);
  size_t kept = 0;
  for (size_t i = 0; i < received; ++i) {
    msghdr& header = headers_[i].msg_hdr;
    const std::optional<sockaddr_in6> destination = TakeDestination(header);
    // A unix peer that has no name cannot be answered.
    const bool nameless = header.msg_namelen <= sizeof(sa_family_t);
    const int verdict = nameless ? int{SOCKHOST_DROP_SOURCE}
                                 : guard.Judge(peer(i).ip, destination ? &*destination : nullptr);
    if (verdict == DatagramGuard::kAnswer) {
      std::swap(headers_[kept++], headers_[i]);
    } else {
      sockhost_socket_count_dropped(fd, 1, static_cast<sockhost_drop_reason>(verdict));
    }
  }
  return kept;
}

void DatagramBatch::SendBack(int fd, size_t count) {
  for (size_t i = 0; i < count; ++i) part(i).iov_len = headers_[i].msg_len;
  Send(fd, count);
}

void DatagramBatch::Answer(int fd, size_t count, const DatagramGuard& guard,
                           absl::FunctionRef<absl::string_view(size_t)> answer) {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    const absl::string_view text = answer(headers_[i].msg_len);
    if (!guard.MayAnswer(peer(i).ip, headers_[i].msg_len, text.size())) {
      sockhost_socket_count_dropped(fd, 1, SOCKHOST_DROP_AMPLIFICATION);
      continue;
    }
    part(i) = {const_cast<char*>(text.data()), text.size()};
    std::swap(headers_[kept++], headers_[i]);
  }
  Send(fd, kept);
}

void DatagramBatch::Send(int fd, size_t count) {
  runs_.Join(std::span(headers_).first(count));
  const std::span<mmsghdr> messages = runs_.messages();
  for (size_t sent = 0; sent < messages.size();) {
    const std::span<mmsghdr> rest = messages.subspan(sent);
    const int taken =
        sockhost_sendmmsg(fd, rest.data(), static_cast<unsigned>(rest.size()), MSG_DONTWAIT);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      continue;
    }
    // The first of the rest was refused: a full queue, an unreachable peer; a run also by
    // a path or a device that cannot take it.
    SendOneByOne(fd, runs_.DatagramsOf(sent));
    ++sent;
  }
}

// Only those that are refused are lost.
void DatagramBatch::SendOneByOne(int fd, std::span<const mmsghdr> datagrams) {
  for (mmsghdr datagram : datagrams) {
    const bool was_tried = datagrams.size() == 1;
    if (!was_tried && sockhost_sendmmsg(fd, &datagram, 1, MSG_DONTWAIT) == 1) continue;
    sockhost_socket_count_dropped(fd, 1, SOCKHOST_DROP_UNSENT);
  }
}

}  // namespace sockhost
