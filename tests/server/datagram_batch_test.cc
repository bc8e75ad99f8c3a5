#include "server/datagram_batch.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

class DatagramBatchTest : public testing::Test {
 protected:
  DatagramBatchTest() : ours_(BoundUdp()), peer_(ConnectTo(Address())) {}

  SocketAddress Address() const { return LocalAddress(ours_.get(), Protocol::kUdp); }

  std::vector<std::string> Answers(size_t count) {
    std::vector<std::string> out;
    std::string buffer(70'000, '\0');
    for (size_t i = 0; i < count && WaitReadable(peer_.get()); ++i) {
      const ssize_t got = recv(peer_.get(), buffer.data(), buffer.size(), 0);
      out.push_back(buffer.substr(0, static_cast<size_t>(got)));
    }
    return out;
  }

  UniqueFd ours_;
  UniqueFd peer_;
  DatagramBatch batch_;
};

TEST_F(DatagramBatchTest, NothingThereIsNothingReceived) {
  EXPECT_EQ(batch_.Receive(ours_.get()), 0u);
  batch_.SendBack(ours_.get(), 0);
}

TEST_F(DatagramBatchTest, SendsBackWhatItReceived) {
  const std::vector<std::string> sent = {"one", "", std::string(65'507, 'x'), "four"};
  for (const std::string& message : sent) SendText(peer_.get(), message);
  ASSERT_EQ(batch_.Receive(ours_.get()), sent.size());
  batch_.SendBack(ours_.get(), sent.size());
  EXPECT_TRUE(Answers(sent.size()) == sent);
}

TEST_F(DatagramBatchTest, EachGoesToWhereItCameFrom) {
  const UniqueFd another = ConnectTo(Address());
  SendText(peer_.get(), "mine");
  SendText(another.get(), "yours");
  ASSERT_EQ(batch_.Receive(ours_.get()), 2u);
  batch_.SendBack(ours_.get(), 2);
  EXPECT_EQ(Answers(1), std::vector<std::string>{"mine"});
  EXPECT_EQ(ReceiveText(another.get(), 5), "yours");
}

TEST_F(DatagramBatchTest, OneBatchIsBounded) {
  std::vector<std::string> sent;
  for (size_t i = 0; i < DatagramBatch::kMost + 3; ++i) sent.push_back(absl::StrCat("d", i));
  for (const std::string& message : sent) SendText(peer_.get(), message);
  EXPECT_EQ(batch_.Receive(ours_.get()), DatagramBatch::kMost);
  batch_.SendBack(ours_.get(), DatagramBatch::kMost);
  EXPECT_EQ(batch_.Receive(ours_.get()), 3u);
  batch_.SendBack(ours_.get(), 3);
  EXPECT_EQ(Answers(sent.size()), sent);
}

// Lengths and addresses of the batch before leave no trace.
TEST_F(DatagramBatchTest, CanBeUsedAgainAndAgain) {
  for (const size_t size : {10u, 60'000u, 0u, 5u}) {
    SendText(peer_.get(), std::string(size, 'y'));
    ASSERT_EQ(batch_.Receive(ours_.get()), 1u);
    batch_.SendBack(ours_.get(), 1);
    EXPECT_TRUE(Answers(1) == std::vector<std::string>{std::string(size, 'y')});
  }
}

// Whoever forges a source port of 0 cannot be answered (EINVAL).
TEST_F(DatagramBatchTest, DatagramThatIsRefusedIsDroppedAndTheOthersGo) {
  const UniqueFd forger(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!forger.valid()) GTEST_SKIP() << "raw sockets need CAP_NET_RAW";
  sockaddr_storage to;
  const socklen_t length = Address().ToSockaddr(to);
  udphdr header{};
  header.dest = htons(Address().port());
  header.len = htons(sizeof(header));

  SendText(peer_.get(), "before");
  ASSERT_EQ(
      sendto(forger.get(), &header, sizeof(header), 0, reinterpret_cast<sockaddr*>(&to), length),
      static_cast<ssize_t>(sizeof(header)));
  SendText(peer_.get(), "after");
  ASSERT_EQ(batch_.Receive(ours_.get()), 3u);
  batch_.SendBack(ours_.get(), 3);
  EXPECT_EQ(Answers(2), (std::vector<std::string>{"before", "after"}));
}

}  // namespace
}  // namespace sockhost
