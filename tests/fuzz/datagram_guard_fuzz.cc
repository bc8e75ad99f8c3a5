// DatagramGuard: whoever a datagram says it is from, it is dropped for a reason of the table
// or answered within the limits. The input: the limits, then one peer after another.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "require.h"
#include "server/datagram_guard.h"

using sockhost::DatagramGuard;
using sockhost::DatagramLimits;
using sockhost::Require;

namespace {

// What is left of the input; behind its end there are zeros.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  template <class Value>
  Value Take() {
    Value value{};
    const size_t size = std::min(sizeof(value), rest_.size());
    std::memcpy(&value, rest_.data(), size);
    rest_.remove_prefix(size);
    return value;
  }
  bool TakeBool() { return Take<uint8_t>() % 2 != 0; }

 private:
  absl::string_view rest_;
};

// As recvmsg(2) gives it: any bytes under one of the families.
sockaddr_in6 PeerFrom(Input& input) {
  auto peer = input.Take<sockaddr_in6>();
  peer.sin6_family = input.TakeBool() ? AF_INET6 : AF_INET;
  return peer;
}

using PeerName = std::pair<std::string, uint16_t>;

PeerName NameOf(const sockaddr_in6& peer) {
  const void* host = &peer.sin6_addr;
  if (peer.sin6_family == AF_INET) host = &reinterpret_cast<const sockaddr_in&>(peer).sin_addr;
  char text[INET6_ADDRSTRLEN];
  inet_ntop(peer.sin6_family, host, text, sizeof(text));
  return {text, peer.sin6_port};
}

void CheckAnswered(const sockaddr_in6& peer, const DatagramLimits& limits) {
  const uint16_t port = ntohs(peer.sin6_port);
  Require(port != 0, "port 0 is nobody");
  Require(port > 1023 || limits.allow_privileged_sources, "a privileged port is not answered");
  for (const uint16_t responder : {7, 19, 53, 1900, 11211}) {
    Require(port != responder, "a responder is not answered");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  static DatagramGuard guard;
  // Each input has buckets of its own, and takes the places of those before.
  static int64_t now_ms = 0;
  const int fd = static_cast<int>(++now_ms & 0xffffff);
  DatagramLimits limits;
  limits.peer_reply_rate = input.Take<uint8_t>() % 9;
  limits.reply_rate = input.Take<uint8_t>() % 17;
  limits.allow_privileged_sources = input.TakeBool();
  limits.allow_amplification = input.TakeBool();
  std::map<PeerName, uint32_t> answered;
  uint32_t all = 0;
  // One moment: no bucket fills meanwhile.
  guard.Begin(fd, limits, absl::Milliseconds(now_ms));
  while (!input.empty()) {
    const sockaddr_in6 peer = PeerFrom(input);
    const sockaddr_in6 asked = PeerFrom(input);
    const int verdict = guard.Judge(peer, input.TakeBool() ? &asked : nullptr);
    const size_t request = input.Take<uint16_t>();
    const size_t reply = input.Take<uint16_t>();
    if (reply <= request)
      Require(guard.MayAnswer(peer, request, reply), "short answers may be sent");
    if (verdict != DatagramGuard::kAnswer) {
      Require(verdict == SOCKHOST_DROP_SOURCE || verdict == SOCKHOST_DROP_LOOP ||
                  verdict == SOCKHOST_DROP_RATE,
              "a datagram is dropped for one of three reasons");
      continue;
    }
    CheckAnswered(peer, limits);
    ++all;
    const uint32_t count = ++answered[NameOf(peer)];
    Require(limits.peer_reply_rate == 0 || count <= limits.peer_reply_rate,
            "a peer gets no more than its rate");
    Require(limits.reply_rate == 0 || all <= limits.reply_rate,
            "all peers get no more than theirs");
  }
  return 0;
}
