// Datagrams on their way through a forwarder, many at a time.
#ifndef SOCKHOST_SERVER_FLOW_BATCH_H_
#define SOCKHOST_SERVER_FLOW_BATCH_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>

namespace sockhost {

// Who sent a datagram, and to which of our addresses.
struct FlowPeer {
  using SourceKey = std::array<char, sizeof(sockaddr_in6)>;
  using HostKey = std::array<char, sizeof(in6_addr)>;

  // What the source is known by: its address and port.
  SourceKey Source() const;
  // Its address alone.
  HostKey Host() const;

  sockaddr_in6 address{};  // or a sockaddr_in
  socklen_t address_length = 0;
  // A control message that makes an answer leave from the address that was asked;
  // empty if the kernel did not say.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  size_t control_length = 0;
};

// Thread rule: the service thread; what was received is valid until the next
// Receive.
class FlowBatch {
 public:
  // Taken at once before other sockets have their turn.
  static constexpr size_t kMost = 32;
  // No UDP datagram is longer (65535 less the headers).
  static constexpr size_t kLongest = 65535;

  static FlowBatch& OfServiceThread();

  FlowBatch();

  // Asks the kernel to say to which address a datagram was sent.
  static void WantLocalAddress(int fd);

  // Returns how many came, at most kMost; negative: errno.
  int Receive(int fd);
  // Of the datagram at `index`; of a listener's socket.
  FlowPeer Peer(size_t index) const;
  bool IsFromSamePeer(size_t a, size_t b) const;

  // Sends `count` datagrams from `first` on, through a connected socket or to
  // `*peer`. Returns 0 or an errno; what was not sent is dropped, and counted for
  // `count_for`.
  int Send(int fd, size_t first, size_t count, const FlowPeer* peer, int count_for);

 private:
  std::unique_ptr<char[]> bytes_;
  std::array<iovec, kMost> parts_;
  std::array<sockaddr_in6, kMost> peers_;
  struct Control {
    alignas(cmsghdr) char bytes[128];
  };
  std::array<Control, kMost> controls_;
  std::array<mmsghdr, kMost> headers_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FLOW_BATCH_H_
