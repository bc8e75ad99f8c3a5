#include "server/datagram_guard.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <string>

#include "sockhost/datagram_ports.h"
#include "sockhost/socket_address.h"

namespace sockhost {
namespace {

constexpr int kFd = 7;
constexpr int kAnswer = DatagramGuard::kAnswer;

sockaddr_in6 Peer(const std::string& text) {
  sockaddr_storage storage{};
  SocketAddress::Parse(text).value().ToSockaddr(storage);
  return reinterpret_cast<sockaddr_in6&>(storage);
}

sockaddr_in6 Mapped(const std::string& ipv4, uint16_t port) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET6, ("::ffff:" + ipv4).c_str(), &out.sin6_addr), 1);
  return out;
}

class DatagramGuardTest : public testing::Test {
 protected:
  DatagramGuardTest() { Begin({}); }

  void Begin(const DatagramLimits& limits, absl::Duration now = absl::Seconds(100)) {
    guard_.Begin(kFd, limits, now);
  }
  int Judge(const std::string& peer) { return guard_.Judge(Peer(peer), nullptr); }
  // How many of `count` datagrams of `peer` are answered.
  int Answered(const std::string& peer, int count) {
    int answered = 0;
    for (int i = 0; i < count; ++i) answered += Judge(peer) == kAnswer;
    return answered;
  }

  DatagramGuard guard_;
};

TEST_F(DatagramGuardTest, OrdinaryClientsAreAnswered) {
  for (const char* peer :
       {"udp://192.0.2.1:1024", "udp://127.0.0.1:40000", "udp://[2001:db8::1]:65535",
        "udp://[::1]:40000", "udp://[fe80::1]:2000", "udp://223.255.255.255:5000"}) {
    EXPECT_EQ(Judge(peer), kAnswer) << peer;
  }
  EXPECT_EQ(guard_.Judge(Mapped("192.0.2.1", 4000), nullptr), kAnswer);
}

TEST_F(DatagramGuardTest, SourcesThatNoClientHasAreNot) {
  for (const char* peer :
       {"udp://0.0.0.0:4000", "udp://0.1.2.3:4000", "udp://224.0.0.1:4000", "udp://239.1.2.3:4000",
        "udp://240.0.0.1:4000", "udp://255.255.255.255:4000", "udp://[::]:4000",
        "udp://[ff02::1]:4000", "udp://192.0.2.1:0", "udp://192.0.2.1:1", "udp://192.0.2.1:1023",
        "udp://[2001:db8::1]:514"}) {
    EXPECT_EQ(Judge(peer), SOCKHOST_DROP_SOURCE) << peer;
  }
  EXPECT_EQ(guard_.Judge(Mapped("224.0.0.1", 4000), nullptr), SOCKHOST_DROP_SOURCE);
}

TEST_F(DatagramGuardTest, PrivilegedSourcesCanBeAllowedAndKnownRespondersCannot) {
  DatagramLimits limits;
  limits.allow_privileged_sources = true;
  Begin(limits);
  EXPECT_EQ(Judge("udp://192.0.2.1:514"), kAnswer);
  EXPECT_EQ(Judge("udp://192.0.2.1:0"), SOCKHOST_DROP_SOURCE);
  for (const int port : {7, 9, 11, 13, 17, 19, 37, 53, 69, 123, 1900, 3702, 5353, 11211}) {
    EXPECT_EQ(Judge("udp://192.0.2.1:" + std::to_string(port)), SOCKHOST_DROP_LOOP) << port;
    EXPECT_EQ(Judge("udp://[2001:db8::1]:" + std::to_string(port)), SOCKHOST_DROP_LOOP) << port;
  }
}

TEST_F(DatagramGuardTest, OwnListenersAreNotAnsweredWhileTheyAreOpen) {
  {
    const OwnDatagramPort first(SocketAddress::Parse("udp://0.0.0.0:45678").value());
    const OwnDatagramPort second(SocketAddress::Parse("udp://[::1]:45678").value());
    const OwnDatagramPort stream(SocketAddress::Parse("tcp://127.0.0.1:45679").value());
    EXPECT_EQ(Judge("udp://127.0.0.1:45678"), SOCKHOST_DROP_LOOP);
    EXPECT_EQ(Judge("udp://127.1.2.3:45678"), SOCKHOST_DROP_LOOP);
    EXPECT_EQ(Judge("udp://[::1]:45678"), SOCKHOST_DROP_LOOP);
    EXPECT_EQ(guard_.Judge(Mapped("127.0.0.1", 45678), nullptr), SOCKHOST_DROP_LOOP);
    // The same number on another host is an ordinary client's.
    EXPECT_EQ(Judge("udp://192.0.2.1:45678"), kAnswer);
    EXPECT_EQ(Judge("udp://[2001:db8::1]:45678"), kAnswer);
    EXPECT_EQ(Judge("udp://127.0.0.1:45679"), kAnswer);
  }
  EXPECT_EQ(Judge("udp://127.0.0.1:45678"), kAnswer);
}

TEST_F(DatagramGuardTest, RequestsToBroadcastAndMulticastAreNotAnswered) {
  for (const char* asked :
       {"udp://255.255.255.255:0", "udp://224.0.0.251:0", "udp://[ff02::1]:0"}) {
    const sockaddr_in6 destination = Peer(asked);
    EXPECT_EQ(guard_.Judge(Peer("udp://192.0.2.1:4000"), &destination), SOCKHOST_DROP_SOURCE)
        << asked;
  }
  const sockaddr_in6 destination = Peer("udp://192.0.2.2:0");
  EXPECT_EQ(guard_.Judge(Peer("udp://192.0.2.1:4000"), &destination), kAnswer);
}

TEST_F(DatagramGuardTest, PeerOverItsRateWaitsAndOthersDoNot) {
  DatagramLimits limits;
  limits.peer_reply_rate = 10;
  Begin(limits);
  EXPECT_EQ(Answered("udp://192.0.2.1:4000", 25), 10);
  EXPECT_EQ(Answered("udp://192.0.2.1:4001", 25), 10);
  EXPECT_EQ(Judge("udp://192.0.2.1:4000"), SOCKHOST_DROP_RATE);
  Begin(limits, absl::Seconds(100) + absl::Milliseconds(300));
  EXPECT_EQ(Answered("udp://192.0.2.1:4000", 25), 3);
  // A long silence is worth one second.
  Begin(limits, absl::Seconds(1000));
  EXPECT_EQ(Answered("udp://192.0.2.1:4000", 25), 10);
}

TEST_F(DatagramGuardTest, RateOfAllPeersTogetherIsBounded) {
  DatagramLimits limits;
  limits.reply_rate = 30;
  Begin(limits);
  int answered = 0;
  for (int port = 2000; port < 2100; ++port) {
    answered += Answered("udp://192.0.2.1:" + std::to_string(port), 1);
  }
  EXPECT_EQ(answered, 30);
  // Another listener has a rate of its own.
  guard_.Begin(kFd + 1, limits, absl::Seconds(100));
  EXPECT_EQ(Answered("udp://192.0.2.1:2000", 40), 30);
}

// The clock of the buckets has 32 bits of milliseconds.
TEST_F(DatagramGuardTest, ClockMayComeRound) {
  DatagramLimits limits;
  limits.peer_reply_rate = 10;
  const absl::Duration around = absl::Milliseconds(int64_t{1} << 32);
  Begin(limits, around - absl::Milliseconds(100));
  EXPECT_EQ(Answered("udp://192.0.2.1:4000", 25), 10);
  Begin(limits, around + absl::Milliseconds(100));
  EXPECT_EQ(Answered("udp://192.0.2.1:4000", 25), 2);
}

// Forged sources push out whoever was silent for longest, not who is active.
TEST_F(DatagramGuardTest, ManySourcesNeedNoMoreMemoryAndActiveOnesStay) {
  DatagramLimits limits;
  limits.peer_reply_rate = 5;
  int answered = 0;
  // So few at a time that no four of them meet in one place of the table: once in 300 000 runs,
  // as the hash has a seed of its own in each. In all more than the table holds.
  constexpr uint32_t kAtATime = 100;
  for (uint32_t ms = 0; ms < 199; ++ms) {
    Begin(limits, absl::Seconds(100) + absl::Milliseconds(ms));
    for (uint32_t i = 0; i < kAtATime; ++i) {
      sockaddr_in6 forged{};
      auto& ipv4 = reinterpret_cast<sockaddr_in&>(forged);
      ipv4.sin_family = AF_INET;
      ipv4.sin_addr.s_addr = htonl(0x0a000000 + ms * kAtATime + i);
      ipv4.sin_port = htons(4000);
      guard_.Judge(forged, nullptr);
    }
    answered += Answered("udp://192.0.2.1:4000", 3);
  }
  EXPECT_EQ(answered, 5);
}

TEST_F(DatagramGuardTest, LargerAnswersGoToLoopbackOnlyUnlessAllowed) {
  EXPECT_TRUE(guard_.MayAnswer(Peer("udp://192.0.2.1:4000"), 10, 10));
  EXPECT_FALSE(guard_.MayAnswer(Peer("udp://192.0.2.1:4000"), 10, 11));
  EXPECT_FALSE(guard_.MayAnswer(Peer("udp://[2001:db8::1]:4000"), 0, 1));
  EXPECT_TRUE(guard_.MayAnswer(Peer("udp://127.0.0.1:4000"), 0, 1000));
  EXPECT_TRUE(guard_.MayAnswer(Peer("udp://[::1]:4000"), 0, 1000));
  DatagramLimits limits;
  limits.allow_amplification = true;
  Begin(limits);
  EXPECT_TRUE(guard_.MayAnswer(Peer("udp://192.0.2.1:4000"), 10, 11));
}

}  // namespace
}  // namespace sockhost
