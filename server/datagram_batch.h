// Datagrams received and answered many at a time.
#ifndef SOCKHOST_SERVER_DATAGRAM_BATCH_H_
#define SOCKHOST_SERVER_DATAGRAM_BATCH_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "datagram_guard.h"
#include "datagram_runs.h"

namespace sockhost {

// Buffers for the datagrams of one wake-up. Thread rule: the service thread;
// what was received is valid until the next Receive.
class DatagramBatch {
 public:
  // Taken at once before other sockets have their turn.
  static constexpr size_t kMost = DatagramRuns::kMost;
  // No UDP datagram is longer (65535 less the headers).
  static constexpr size_t kLongest = 65535;

  // The one batch that the built-in services share.
  static DatagramBatch& OfServiceThread();

  DatagramBatch();

  // Receives what waits, at most kMost. Returns how many; 0 if there is nothing,
  // or only an error (an ICMP message for a datagram sent before), which is
  // counted.
  size_t Receive(int fd);

  // As Receive, and keeps only what `guard` lets through; the others are counted as
  // dropped, with the reason.
  size_t ReceiveRequests(int fd, DatagramGuard& guard);

  // Sends the first `count` back to where they came from, from the address that
  // was asked. What the kernel does not take is dropped, as UDP may, and counted.
  void SendBack(int fd, size_t count);

  // Sends `answer(size of the request)` for each of the first `count`, which
  // ReceiveRequests gave; the text must last until the call returns. An answer that
  // is larger than the guard allows is dropped and counted.
  void Answer(int fd, size_t count, const DatagramGuard& guard,
              absl::FunctionRef<absl::string_view(size_t)> answer);

 private:
  // Room for one IPV6_PKTINFO, the larger of the two kinds.
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
  };
  union Peer {
    sockaddr_in6 ip;
    sockaddr_un unix_path;
  };

  const Peer& peer(size_t i) const { return *static_cast<Peer*>(headers_[i].msg_hdr.msg_name); }
  // Of the request, not of the answer.
  iovec& part(size_t i) { return *headers_[i].msg_hdr.msg_iov; }
  void Send(int fd, size_t count);
  void SendOneByOne(int fd, std::span<const mmsghdr> datagrams);

  std::unique_ptr<char[]> bytes_;
  std::array<iovec, kMost> parts_;
  std::array<Peer, kMost> peers_;
  std::array<Control, kMost> controls_;
  // Their order changes when some are dropped; each stays with its buffers.
  std::array<mmsghdr, kMost> headers_;
  DatagramRuns runs_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_DATAGRAM_BATCH_H_
