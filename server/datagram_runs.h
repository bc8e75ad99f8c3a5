// Datagrams of one size to one peer, sent as one message.
#ifndef SOCKHOST_SERVER_DATAGRAM_RUNS_H_
#define SOCKHOST_SERVER_DATAGRAM_RUNS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sockhost {

// Joins neighbours in a batch to messages with UDP_SEGMENT (udp(7), Linux 4.18): the
// kernel takes such a message through its stack once and cuts it into datagrams at
// the end. What goes over the wire is the same.
//
// Thread rule: the service thread.
class DatagramRuns {
 public:
  // Datagrams of one batch.
  static constexpr size_t kMost = 32;
  // Longer ones are sent alone: a segment must fit the path's MTU (1280 is the least of
  // IPv6, RFC 8200), and the gain is in small ones.
  static constexpr size_t kLongest = 1232;

  // Joins what can be joined of `datagrams`, each of one part. Refers to them, to what
  // they point to, until the next Join.
  void Join(std::span<const mmsghdr> datagrams);

  // What to send, in the order of the datagrams.
  std::span<mmsghdr> messages() { return std::span(messages_).first(count_); }
  // The datagrams in message `i`.
  std::span<const mmsghdr> DatagramsOf(size_t i) const;

 private:
  // What recvmmsg gave, IP_PKTINFO or IPV6_PKTINFO, and the size of a segment.
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
  };

  void AddRun(size_t begin, size_t end);

  std::span<const mmsghdr> datagrams_;
  size_t count_ = 0;
  std::array<mmsghdr, kMost> messages_;
  // Number of the first datagram of each message.
  std::array<size_t, kMost> begins_;
  // Of all datagrams: a run's parts are neighbours.
  std::array<iovec, kMost> parts_;
  std::array<Control, kMost> controls_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_DATAGRAM_RUNS_H_
