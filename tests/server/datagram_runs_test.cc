#include "server/datagram_runs.h"

#include <gmock/gmock.h>
#include <netinet/udp.h>
#include <sys/un.h>

#include <array>
#include <string>
#include <vector>

#include "server/datagram_batch.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

// A batch to be joined, made by hand.
class DatagramRunsTest : public testing::Test {
 protected:
  void Add(size_t size, uint16_t port, absl::string_view control = "") {
    Peer& peer = peers_[count_];
    peer.ip = {};
    peer.ip.sin_family = AF_INET;
    peer.ip.sin_port = port;
    AddTo(&peer, sizeof(peer.ip), size);
    controls_[count_ - 1] = std::string(control);
    msghdr& header = headers_[count_ - 1].msg_hdr;
    header.msg_control = controls_[count_ - 1].data();
    header.msg_controllen = control.size();
  }

  void AddUnix(size_t size) {
    peers_[count_].unix_path = {};
    peers_[count_].unix_path.sun_family = AF_UNIX;
    AddTo(&peers_[count_], sizeof(sockaddr_un), size);
  }

  // How many datagrams are in each message.
  std::vector<size_t> Runs() {
    runs_.Join(std::span(headers_).first(count_));
    std::vector<size_t> out;
    for (size_t i = 0; i < runs_.messages().size(); ++i) {
      out.push_back(runs_.DatagramsOf(i).size());
      EXPECT_EQ(runs_.messages()[i].msg_hdr.msg_iovlen, out.back());
    }
    return out;
  }

  DatagramRuns runs_;

 private:
  union Peer {
    sockaddr_in ip;
    sockaddr_un unix_path;
  };

  void AddTo(Peer* peer, socklen_t length, size_t size) {
    parts_[count_] = {bytes_.data(), size};
    headers_[count_] = {};
    headers_[count_].msg_hdr.msg_name = peer;
    headers_[count_].msg_hdr.msg_namelen = length;
    headers_[count_].msg_hdr.msg_iov = &parts_[count_];
    headers_[count_].msg_hdr.msg_iovlen = 1;
    ++count_;
  }

  size_t count_ = 0;
  std::string bytes_ = std::string(65'535, 'x');
  std::array<Peer, DatagramRuns::kMost> peers_;
  std::array<iovec, DatagramRuns::kMost> parts_;
  std::array<std::string, DatagramRuns::kMost> controls_;
  std::array<mmsghdr, DatagramRuns::kMost> headers_;
};

TEST_F(DatagramRunsTest, NothingIsNothing) { EXPECT_THAT(Runs(), ElementsAre()); }

TEST_F(DatagramRunsTest, OneSizeToOnePeerIsOneRun) {
  for (size_t i = 0; i < DatagramRuns::kMost; ++i) Add(100, 7);
  EXPECT_THAT(Runs(), ElementsAre(DatagramRuns::kMost));
}

TEST_F(DatagramRunsTest, AnotherPeerSizeOrSourceBeginsAnother) {
  Add(100, 7);
  Add(100, 7);
  Add(100, 9);
  Add(101, 9);
  Add(101, 9, "from one address");
  Add(101, 9, "from one address");
  Add(101, 9, "from the other..");
  EXPECT_THAT(Runs(), ElementsAre(2, 1, 1, 2, 1));
}

TEST_F(DatagramRunsTest, EmptyAndLongOnesGoAlone) {
  Add(0, 7);
  Add(0, 7);
  Add(DatagramRuns::kLongest + 1, 7);
  Add(DatagramRuns::kLongest + 1, 7);
  Add(DatagramRuns::kLongest, 7);
  Add(DatagramRuns::kLongest, 7);
  EXPECT_THAT(Runs(), ElementsAre(1, 1, 1, 1, 2));
}

// One message there is one datagram.
TEST_F(DatagramRunsTest, UnixPeersGetThemOneByOne) {
  AddUnix(10);
  AddUnix(10);
  EXPECT_THAT(Runs(), ElementsAre(1, 1));
}

// The kernel joins what comes as one message for a receiver that asks for it.
TEST(DatagramBatchRunsTest, RunLeavesAsOneMessage) {
  const UniqueFd ours = BoundUdp();
  const UniqueFd peer = ConnectTo(LocalAddress(ours.get(), Protocol::kUdp));
  const int on = 1;
  if (setsockopt(peer.get(), SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0) {
    GTEST_SKIP() << "this kernel has no UDP_GRO";
  }
  SendText(peer.get(), "abc");
  SendText(peer.get(), "def");
  DatagramBatch batch;
  ASSERT_EQ(batch.Receive(ours.get()), 2u);
  batch.SendBack(ours.get(), 2);
  ASSERT_TRUE(WaitReadable(peer.get()));
  char buffer[16];
  EXPECT_EQ(recv(peer.get(), buffer, sizeof(buffer), 0), 6);
}

// A socket without checksums takes no UDP_SEGMENT.
TEST(DatagramBatchRunsTest, RunThatIsRefusedIsSentOneByOne) {
  const UniqueFd ours = BoundUdp();
  const UniqueFd peer = ConnectTo(LocalAddress(ours.get(), Protocol::kUdp));
  const int on = 1;
  ASSERT_EQ(setsockopt(ours.get(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
  SendText(peer.get(), "abc");
  SendText(peer.get(), "def");
  DatagramBatch batch;
  ASSERT_EQ(batch.Receive(ours.get()), 2u);
  batch.SendBack(ours.get(), 2);
  EXPECT_EQ(ReceiveText(peer.get(), 6), "abcdef");
}

}  // namespace
}  // namespace sockhost
