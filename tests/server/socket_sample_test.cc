#include "server/socket_sample.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/built_in_services.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

TEST(SocketSampleTest, HoldsEverySocketInTheOrderOfIds) {
  ServiceHost host;
  ASSERT_TRUE(DefineBuiltInServices(host).ok());
  ASSERT_TRUE(host.Start({}).ok());
  ListenerConfig config;
  config.service = "echo";
  config.address = SocketAddress::Parse("udp://127.0.0.1:0").value();
  for (int i = 0; i < 4; ++i) {
    config.name = absl::StrCat("l", i);
    ASSERT_TRUE(host.CreateListener(config).ok());
  }
  // A later socket takes the place of an earlier one in the table.
  ASSERT_TRUE(host.DeleteListener("l1", /*force=*/true, {}).ok());
  config.name = "l4";
  ASSERT_TRUE(host.CreateListener(config).ok());

  const int64_t before = absl::GetCurrentTimeNanos();
  const auto sample = TakeSample(host);
  EXPECT_GE(sample->time_nanos, before);
  EXPECT_LE(sample->time_nanos, absl::GetCurrentTimeNanos());
  std::vector<SocketId> ids;
  for (const SocketSnapshot& socket : sample->sockets) ids.push_back(socket.id);
  EXPECT_THAT(ids, ElementsAre(1, 3, 4, 5));
  ids.clear();
  const auto later = TakeSample(host, 3);
  for (const SocketSnapshot& socket : later->sockets) ids.push_back(socket.id);
  EXPECT_THAT(ids, ElementsAre(4, 5));
}

TEST(SocketSampleTest, FirstOnesBeyondAnIdAreTheSame) {
  ServiceHost host;
  ASSERT_TRUE(DefineBuiltInServices(host).ok());
  ASSERT_TRUE(host.Start({}).ok());
  ListenerConfig config;
  config.service = "echo";
  config.address = SocketAddress::Parse("udp://127.0.0.1:0").value();
  for (const char* name : {"l1", "l2", "l3", "l4"}) {
    config.name = name;
    ASSERT_TRUE(host.CreateListener(config).ok());
  }
  ASSERT_TRUE(host.DeleteListener("l2", /*force=*/true, {}).ok());
  config.name = "l5";
  ASSERT_TRUE(host.CreateListener(config).ok());

  const auto ids_after = [&host](SocketId after, size_t most) {
    std::vector<SocketId> ids;
    for (const SocketSnapshot& socket : host.SocketsAfter(after, most)) ids.push_back(socket.id);
    return ids;
  };
  EXPECT_THAT(ids_after(0, 100), ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(ids_after(0, 2), ElementsAre(1, 3));
  EXPECT_THAT(ids_after(1, 2), ElementsAre(3, 4));
  EXPECT_THAT(ids_after(4, 2), ElementsAre(5));
  EXPECT_THAT(ids_after(5, 2), ElementsAre());
  EXPECT_THAT(ids_after(0, 0), ElementsAre());
}

TEST(SocketSampleTest, HostWithoutSocketsHasAnEmptyOne) {
  ServiceHost host;
  ASSERT_TRUE(host.Start({}).ok());
  EXPECT_TRUE(TakeSample(host)->sockets.empty());
}

}  // namespace
}  // namespace sockhost
