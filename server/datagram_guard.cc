#include "datagram_guard.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
#include "local_route.h"
#include "sockhost/datagram_ports.h"
#include "sockhost/service_timer.h"

namespace sockhost {
namespace {

constexpr uint16_t kLastPrivilegedPort = 1023;

// Ports of services that answer whatever they get, above the privileged ones:
// SSDP, WS-Discovery, mDNS, memcached. The classic ones (echo 7, daytime 13, qotd
// 17, chargen 19, time 37, DNS 53, TFTP 69, NTP 123) are privileged, and refused
// here even where privileged sources are allowed.
constexpr std::array<uint16_t, 14> kLoopPorts = {7,  9,  11,  13,   17,   19,   37,
                                                 53, 69, 123, 1900, 3702, 5353, 11211};

bool IsLoopPort(uint16_t port) {
  return std::find(kLoopPorts.begin(), kLoopPorts.end(), port) != kLoopPorts.end();
}

const sockaddr_in& AsIpv4(const sockaddr_in6& address) {
  return reinterpret_cast<const sockaddr_in&>(address);
}

// The IPv4 address, in host order, also of a mapped one; 0 if there is none.
uint32_t Ipv4Of(const sockaddr_in6& address) {
  if (address.sin6_family == AF_INET) return ntohl(AsIpv4(address).sin_addr.s_addr);
  if (!IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) return 0;
  uint32_t out;
  std::memcpy(&out, address.sin6_addr.s6_addr + 12, sizeof(out));
  return ntohl(out);
}

bool IsIpv4(const sockaddr_in6& address) {
  return address.sin6_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
}

// Addresses that no peer has: 0.0.0.0/8, multicast, 240.0.0.0/4 with the
// broadcast address; :: and multicast.
bool IsNobody(const sockaddr_in6& address) {
  if (IsIpv4(address)) {
    const uint32_t ip = Ipv4Of(address);
    return ip >> 24 == 0 || ip >> 28 >= 0xe;
  }
  return IN6_IS_ADDR_MULTICAST(&address.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&address.sin6_addr);
}

bool IsLoopback(const sockaddr_in6& address) {
  if (IsIpv4(address)) return Ipv4Of(address) >> 24 == 127;
  return IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

in6_addr InIpv6Form(const sockaddr_in6& address) {
  if (address.sin6_family != AF_INET) return address.sin6_addr;
  in6_addr out{};
  out.s6_addr[10] = out.s6_addr[11] = 0xff;
  std::memcpy(&out.s6_addr[12], &AsIpv4(address).sin_addr, sizeof(in_addr));
  return out;
}

// Only for the few datagrams whose source port is one of ours. Out of fds: rather one unanswered
// peer than a loop.
bool IsOfThisHost(const sockaddr_in6& address) {
  if (IsLoopback(address)) return true;
  const uint32_t scope_id = address.sin6_family == AF_INET6 ? address.sin6_scope_id : 0;
  return IsOfThisMachine(InIpv6Form(address), scope_id);
}

uint64_t PeerKey(int fd, const sockaddr_in6& peer) {
  if (peer.sin6_family == AF_INET) {
    const sockaddr_in& ipv4 = AsIpv4(peer);
    return absl::HashOf(fd, ipv4.sin_addr.s_addr, ipv4.sin_port);
  }
  std::array<uint64_t, 2> halves;
  std::memcpy(halves.data(), &peer.sin6_addr, sizeof(halves));
  return absl::HashOf(fd, halves[0], halves[1], peer.sin6_port);
}

}  // namespace

DatagramGuard& DatagramGuard::OfServiceThread() {
  static DatagramGuard guard;
  return guard;
}

DatagramGuard::DatagramGuard() : buckets_(kSets) {}

void DatagramGuard::Begin(int fd) {
  const auto* parameters = static_cast<const ResponderParameters*>(ParametersOf(fd));
  Begin(fd, parameters ? parameters->limits : DatagramLimits(), ServiceClock());
}

void DatagramGuard::Begin(int fd, const DatagramLimits& limits, absl::Duration now) {
  fd_ = fd;
  limits_ = limits;
  now_ms_ = static_cast<uint32_t>(absl::ToInt64Milliseconds(now));
}

int DatagramGuard::Judge(const sockaddr_in6& peer, const sockaddr_in6* destination) {
  if (peer.sin6_family == AF_UNIX) return kAnswer;
  if (IsNobody(peer)) return SOCKHOST_DROP_SOURCE;
  // Asked through a broadcast or multicast address, every host would answer.
  if (destination && IsNobody(*destination)) return SOCKHOST_DROP_SOURCE;
  const uint16_t port = ntohs(peer.sin6_port);
  if (IsLoopPort(port)) return SOCKHOST_DROP_LOOP;
  if (port == 0 || (port <= kLastPrivilegedPort && !limits_.allow_privileged_sources)) {
    return SOCKHOST_DROP_SOURCE;
  }
  if (IsOwnDatagramPort(port) && IsOfThisHost(peer)) return SOCKHOST_DROP_LOOP;
  if (!TakeToken(PeerKey(fd_, peer), limits_.peer_reply_rate)) return SOCKHOST_DROP_RATE;
  return TakeToken(absl::HashOf(fd_), limits_.reply_rate) ? kAnswer : SOCKHOST_DROP_RATE;
}

bool DatagramGuard::MayAnswer(const sockaddr_in6& peer, size_t request, size_t reply) const {
  return reply <= request || limits_.allow_amplification || peer.sin6_family == AF_UNIX ||
         IsLoopback(peer);
}

// A bucket holds the answers of one second, and fills as time goes by.
bool DatagramGuard::TakeToken(uint64_t key, uint32_t rate) {
  if (rate == 0) return true;
  std::array<Bucket, kWays>& set = buckets_[key % kSets];
  const auto tag = static_cast<uint32_t>(key >> 32) | 1;  // 0: never used
  auto bucket =
      std::find_if(set.begin(), set.end(), [tag](const Bucket& b) { return b.tag == tag; });
  if (bucket == set.end()) {
    // Signed differences: the clock of 32 bits comes round in 49 days.
    bucket = std::max_element(set.begin(), set.end(), [this](const Bucket& a, const Bucket& b) {
      if ((a.tag == 0) != (b.tag == 0)) return b.tag == 0;
      return now_ms_ - a.filled_ms < now_ms_ - b.filled_ms;
    });
    *bucket = {tag, now_ms_, static_cast<float>(rate)};
  }
  const auto most = static_cast<float>(rate);
  const auto passed_ms = static_cast<float>(now_ms_ - bucket->filled_ms);
  bucket->tokens = std::min(most, bucket->tokens + passed_ms * most / 1000);
  bucket->filled_ms = now_ms_;
  if (bucket->tokens < 1) return false;
  bucket->tokens -= 1;
  return true;
}

}  // namespace sockhost
