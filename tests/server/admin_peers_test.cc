#include "server/admin_peers.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "service_core/unique_fd.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

// Both ends of a connection.
struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
  }
  bool is_open() const {
    char byte;
    return recv(theirs.get(), &byte, 1, MSG_DONTWAIT) == -1;
  }
  UniqueFd ours;
  UniqueFd theirs;
};

class AdminPeersTest : public testing::Test {
 protected:
  void Add(const std::string& name, const Pair& pair) { peers_.Add(name, pair.ours.get(), {}); }

  AdminPeers peers_;
};

TEST_F(AdminPeersTest, CutOffEndsTheConnectionOfThatNumberAlone) {
  const Pair seven;
  const Pair seventy;
  Add(AdminPeers::NameOf(7), seven);
  Add(AdminPeers::NameOf(70), seventy);
  peers_.CutOff("fd:7");
  EXPECT_FALSE(seven.is_open());
  EXPECT_TRUE(seventy.is_open());
}

TEST_F(AdminPeersTest, CutOffKnowsAddressesAsGrpcSpellsThem) {
  for (const auto& [name, grpc_peer] :
       {std::pair("tcp://127.0.0.1:443", "ipv4:127.0.0.1:443"),
        std::pair("tcp://[::1]:443", "ipv6:%5B::1%5D:443"),
        std::pair("tcp://[::1]:443", "ipv6:[::1]:443"),
        std::pair("tcp://[fe80::1%lo]:443", "ipv6:%5Bfe80::1%251%5D:443")}) {
    const Pair pair;
    Add(name, pair);
    peers_.CutOff(grpc_peer);
    EXPECT_FALSE(pair.is_open()) << grpc_peer;
    peers_.Remove(name, pair.ours.get());
  }
}

TEST_F(AdminPeersTest, CutOffEndsAllThatOneAddressHas) {
  const Pair one;
  const Pair another;
  Add("tcp://127.0.0.1:443", one);
  Add("tcp://127.0.0.1:443", another);
  peers_.CutOff("ipv4:127.0.0.1:443");
  EXPECT_FALSE(one.is_open());
  EXPECT_FALSE(another.is_open());
}

TEST_F(AdminPeersTest, RemovedConnectionIsLeftAlone) {
  const Pair gone;
  const Pair other;
  Add("fd:7", gone);
  Add("fd:7", other);
  peers_.Remove("fd:7", gone.ours.get());
  peers_.CutOff("fd:7");
  peers_.CutOff("fd:8");
  EXPECT_TRUE(gone.is_open());
  EXPECT_FALSE(other.is_open());
}

}  // namespace
}  // namespace sockhost
