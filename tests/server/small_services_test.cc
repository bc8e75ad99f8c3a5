// The services that speak: daytime, time, chargen, banner.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/banner_service.h"
#include "tests/core/eventually.h"
#include "tests/core/sockets.h"
#include "tests/server/built_in_service_fixture.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Ge;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr char kTcp[] = "tcp://127.0.0.1:0";
constexpr char kUdp[] = "udp://127.0.0.1:0";

std::string ReceiveDatagram(int fd) {
  std::string out(70'000, '\0');
  if (!WaitReadable(fd)) return "nothing came";
  const ssize_t got = recv(fd, out.data(), out.size(), 0);
  out.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return out;
}

std::string Ask(const SocketAddress& address, const std::string& request) {
  const UniqueFd peer = ConnectTo(address);
  SendText(peer.get(), request);
  return ReceiveDatagram(peer.get());
}

std::shared_ptr<const BannerParameters> Banner(std::string text, bool close) {
  auto out = std::make_shared<BannerParameters>();
  out->text = std::make_shared<const std::string>(std::move(text));
  out->close = close;
  return out;
}

class SmallServicesTest : public BuiltInServiceTest {
 protected:
  // The listening socket alone.
  void ExpectOnlyTheListenerIsLeft() {
    EXPECT_TRUE(Becomes([this] { return host_.sockets(); }, Eq(1u)));
  }
};

// ---- daytime, time ------------------------------------------------------------------

constexpr char kDaytimeForm[] =
    "[A-Z][a-z]+, [A-Z][a-z]+ [0-9][0-9], [0-9]+ [0-9][0-9]:[0-9][0-9]:[0-9][0-9]-UTC\r\n";

TEST_F(SmallServicesTest, DaytimeIsToldAndTheConnectionClosed) {
  const UniqueFd peer = ConnectTo(Listen("daytime", kTcp));
  EXPECT_THAT(ReceiveText(peer.get(), 1000), MatchesRegex(kDaytimeForm));
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, DaytimeIgnoresWhatItIsTold) {
  const SocketAddress address = Listen("daytime", kTcp);
  for (int i = 0; i < 20; ++i) {
    const UniqueFd peer = ConnectTo(address);
    send(peer.get(), "what time is it?", 16, MSG_NOSIGNAL);
    EXPECT_THAT(ReceiveText(peer.get(), 1000), MatchesRegex(kDaytimeForm));
  }
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, DaytimeAnswersADatagramOnLoopback) {
  EXPECT_THAT(Ask(Listen("daytime", kUdp), ""), MatchesRegex(kDaytimeForm));
}

int64_t UnixSecondsOf(const std::string& answer) {
  uint32_t seconds = 0;
  if (answer.size() == sizeof(seconds)) std::memcpy(&seconds, answer.data(), sizeof(seconds));
  return int64_t{ntohl(seconds)} - 2'208'988'800;
}

TEST_F(SmallServicesTest, TimeIsInSecondsSince1900) {
  const int64_t before = absl::ToUnixSeconds(absl::Now());
  const UniqueFd peer = ConnectTo(Listen("time", kTcp));
  const std::string answer = ReceiveText(peer.get(), 100);
  EXPECT_EQ(answer.size(), 4u);
  EXPECT_GE(UnixSecondsOf(answer), before);
  EXPECT_LE(UnixSecondsOf(answer), absl::ToUnixSeconds(absl::Now()));
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, TimeAnswersADatagramOnLoopback) {
  const int64_t before = absl::ToUnixSeconds(absl::Now());
  EXPECT_THAT(UnixSecondsOf(Ask(Listen("time", kUdp), "")), Ge(before));
}

// ---- chargen ------------------------------------------------------------------------

// The line of the RFC's pattern.
std::string Line(size_t number) {
  std::string out;
  for (size_t i = 0; i < 72; ++i) out += static_cast<char>(' ' + (number + i) % 95);
  return out + "\r\n";
}

TEST_F(SmallServicesTest, ChargenSendsThePatternWithoutEnd) {
  const UniqueFd peer = ConnectTo(Listen("chargen", kTcp));
  std::string wanted;
  for (size_t line = 0; wanted.size() < 1'000'000; ++line) wanted += Line(line);
  EXPECT_TRUE(ReceiveText(peer.get(), wanted.size()) == wanted) << "the pattern is broken";
}

TEST_F(SmallServicesTest, ChargenTakesWhatItIsTold) {
  const UniqueFd peer = ConnectTo(Listen("chargen", kTcp));
  SendText(peer.get(), "stop it");
  EXPECT_TRUE(Becomes([this] { return Count(Counter::receive_bytes); }, Eq(7)));
  EXPECT_THAT(ReceiveText(peer.get(), 200), StartsWith(Line(0)));
}

TEST_F(SmallServicesTest, ChargenEndsWithItsPeer) {
  UniqueFd peer = ConnectTo(Listen("chargen", kTcp));
  EXPECT_EQ(ReceiveText(peer.get(), 74), Line(0));
  peer.reset();
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, ChargenDoesNotFeedWhoDoesNotEat) {
  const UniqueFd peer = ConnectTo(Listen("chargen", kTcp));
  // Until the buffers of the kernel are full.
  int64_t before = -1;
  EXPECT_TRUE(Becomes(
      [&] {
        const int64_t sent = Count(Counter::transmit_bytes);
        const bool stuck = sent > 0 && sent == before;
        before = sent;
        return stuck;
      },
      Eq(true)));
  const UniqueFd other = ConnectTo(host_.FindListener("web")->effective_address);
  EXPECT_EQ(ReceiveText(other.get(), 74), Line(0));
  EXPECT_EQ(Count(Counter::masked), 0);
}

TEST_F(SmallServicesTest, ChargenAnswersADatagramWithNoMore) {
  const SocketAddress address = Listen("chargen", kUdp);
  for (int i = 0; i < 50; ++i) EXPECT_LE(Ask(address, "0123456789").size(), 10u);
  auto generous = std::make_shared<ResponderParameters>();
  generous->limits.allow_amplification = true;
  ListenerConfig config;
  config.name = "generous";
  config.service = "chargen";
  config.address = SocketAddress::Parse(kUdp).value();
  config.parameters = generous;
  const SocketAddress open = host_.CreateListener(config).value().effective_address;
  size_t longest = 0;
  for (int i = 0; i < 50; ++i) longest = std::max(longest, Ask(open, "").size());
  EXPECT_GT(longest, 10u);
  EXPECT_LE(longest, 512u);
}

// ---- banner -------------------------------------------------------------------------

TEST_F(SmallServicesTest, BannerIsSentAndTheConnectionClosed) {
  const UniqueFd peer = ConnectTo(Listen("banner", kTcp, Banner("go away\r\n", true)));
  EXPECT_EQ(ReceiveText(peer.get(), 1000), "go away\r\n");
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, BannerCanLeaveTheConnectionOpen) {
  UniqueFd peer = ConnectTo(Listen("banner", kTcp, Banner("welcome\r\n", false)));
  EXPECT_EQ(ReceiveText(peer.get(), 9), "welcome\r\n");
  SendText(peer.get(), "thank you");
  EXPECT_TRUE(Becomes([this] { return Count(Counter::receive_bytes); }, Eq(9)));
  EXPECT_EQ(Count(Counter::transmit_bytes), 9);
  peer.reset();
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, LongBannerReachesASlowReaderWhole) {
  std::string text(65'536, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  const SocketAddress address = Listen("banner", kTcp, Banner(text, true));
  UniqueFd peer = NewSocket(AF_INET, SOCK_STREAM);
  const int small = 4096;
  setsockopt(peer.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  connect(peer.get(), reinterpret_cast<sockaddr*>(&storage), length);
  EXPECT_TRUE(ReceiveText(peer.get(), text.size() + 1) == text);
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, BannerAnswersADatagram) {
  EXPECT_EQ(Ask(Listen("banner", kUdp, Banner("hello", false)), "x"), "hello");
}

TEST_F(SmallServicesTest, BannerWithoutATextClosesWhatAsks) {
  const UniqueFd peer = ConnectTo(Listen("banner", kTcp));
  EXPECT_TRUE(WaitClosed(peer.get()));
  ExpectOnlyTheListenerIsLeft();
}

TEST_F(SmallServicesTest, BannerWithoutATextTakesDatagrams) {
  const UniqueFd peer = ConnectTo(Listen("banner", kUdp));
  SendText(peer.get(), "hello");
  EXPECT_TRUE(Becomes([this] { return Count(Counter::receive_messages); }, Eq(1)));
}

}  // namespace
}  // namespace sockhost
