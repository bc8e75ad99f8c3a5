// Which datagrams a responder may answer.
#ifndef SOCKHOST_SERVER_DATAGRAM_GUARD_H_
#define SOCKHOST_SERVER_DATAGRAM_GUARD_H_

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "sockhost/service_parameters.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {

// What a listener allows; proto/sockhost/v1/service_parameters.proto says more.
struct DatagramLimits {
  // Answers to one peer, address and port, in a second; 0: no limit.
  uint32_t peer_reply_rate = 10'000;
  // Answers to all peers together in a second; 0: no limit.
  uint32_t reply_rate = 0;
  bool allow_amplification = false;
  bool allow_privileged_sources = false;
};

// Base of the parameters of every service that answers datagrams.
struct ResponderParameters : ServiceParameters {
  DatagramLimits limits;
};

// A source address of a datagram can be forged. A responder that answers whoever
// it seems to be from can be made to talk to another responder for ever
// (CVE-2024-2169), or to flood a third party with more than was sent to it. So
// every datagram is looked at before it is answered.
//
// Its memory is fixed: buckets of peers that were not heard of for longest make
// place for new ones. Thread rule: the service thread.
class DatagramGuard {
 public:
  // What answers `fd` gets; sockhost_drop_reason otherwise.
  static constexpr int kAnswer = -1;

  // The one guard that the built-in services share.
  static DatagramGuard& OfServiceThread();

  DatagramGuard();

  // Begins the datagrams that wait at `fd`: the limits of its listener and the clock
  // are read once.
  void Begin(int fd);
  // As above, for limits and a time that the caller has.
  void Begin(int fd, const DatagramLimits& limits, absl::Duration now);

  // kAnswer, or why the datagram from `peer` is not answered. `destination` is the
  // address that was asked, nullptr if the socket is bound to just one.
  int Judge(const sockaddr_in6& peer, const sockaddr_in6* destination);

  // True if answers may be larger than requests, whoever asks.
  bool allows_amplification() const { return limits_.allow_amplification; }

  // True if `peer` may get `reply` bytes for `request` bytes. A peer on loopback
  // may: nobody else can send from there.
  bool MayAnswer(const sockaddr_in6& peer, size_t request, size_t reply) const;

 private:
  // 12 bytes; a token is one answer.
  struct Bucket {
    uint32_t tag = 0;
    uint32_t filled_ms = 0;
    float tokens = 0;
  };
  static constexpr size_t kWays = 4;
  static constexpr size_t kSets = 4096;

  bool TakeToken(uint64_t key, uint32_t rate);

  DatagramLimits limits_;
  int fd_ = -1;
  uint32_t now_ms_ = 0;
  std::vector<std::array<Bucket, kWays>> buckets_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_DATAGRAM_GUARD_H_
