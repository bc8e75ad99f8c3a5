#include "server/socket_sample.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "server/built_in_services.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

class SocketSampleTest : public testing::Test {
 protected:
  SocketSampleTest() {
    EXPECT_TRUE(DefineBuiltInServices(host_).ok());
    EXPECT_TRUE(host_.Start({}).ok());
  }

  void Create(const std::string& name) {
    ListenerConfig config;
    config.name = name;
    config.service = "echo";
    config.address = SocketAddress::Parse("udp://127.0.0.1:0").value();
    ASSERT_TRUE(host_.CreateListener(config).ok());
  }
  // Sockets 1, 3, 4 and 5; the last one has the place in the table that 2 had.
  void CreateSockets() {
    for (const char* name : {"l1", "l2", "l3", "l4"}) Create(name);
    ASSERT_TRUE(host_.DeleteListener("l2", /*force=*/true, {}).ok());
    Create("l5");
  }

  static std::vector<SocketId> IdsOf(const std::vector<SocketSnapshot>& sockets) {
    std::vector<SocketId> ids;
    for (const SocketSnapshot& socket : sockets) ids.push_back(socket.id);
    return ids;
  }
  std::vector<SocketId> IdsAfter(SocketId after, size_t most) {
    return IdsOf(host_.SocketsAfter(after, most));
  }

  ServiceHost host_;
};

TEST_F(SocketSampleTest, HoldsEverySocketInTheOrderOfIds) {
  CreateSockets();
  const int64_t before = absl::GetCurrentTimeNanos();
  const auto sample = TakeSample(host_);
  EXPECT_GE(sample->time_nanos, before);
  EXPECT_LE(sample->time_nanos, absl::GetCurrentTimeNanos());
  EXPECT_THAT(IdsOf(sample->sockets), ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(IdsOf(TakeSample(host_, 3)->sockets), ElementsAre(4, 5));
}

TEST_F(SocketSampleTest, FirstOnesBeyondAnIdAreTheSame) {
  CreateSockets();
  EXPECT_THAT(IdsAfter(0, 100), ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(IdsAfter(0, 2), ElementsAre(1, 3));
  EXPECT_THAT(IdsAfter(1, 2), ElementsAre(3, 4));
  EXPECT_THAT(IdsAfter(4, 2), ElementsAre(5));
  EXPECT_THAT(IdsAfter(5, 2), ElementsAre());
  EXPECT_THAT(IdsAfter(0, 0), ElementsAre());
}

TEST_F(SocketSampleTest, HostWithoutSocketsHasAnEmptyOne) {
  EXPECT_TRUE(TakeSample(host_)->sockets.empty());
}

}  // namespace
}  // namespace sockhost
