#include "client/socket_samples.h"

#include <gmock/gmock.h>

#include "tests/client/watch_message.h"

namespace sockhost::client {
namespace {

bool AddComplete(SocketSamples& samples, const v1::WatchSocketsResponse& message) {
  const auto complete = samples.Add(message);
  EXPECT_TRUE(complete.ok()) << complete.status();
  return complete.value_or(false);
}

TEST(SocketSamplesTest, InitialSetIsCompleteAtSync) {
  SocketSamples samples;
  EXPECT_FALSE(AddComplete(samples, WatchMessage().At(1).Socket(1)));
  EXPECT_FALSE(AddComplete(samples, WatchMessage().At(1).Socket(2).More()));
  EXPECT_TRUE(AddComplete(samples, WatchMessage().At(1).Socket(3).Sync()));
  EXPECT_EQ(samples.sockets().size(), 3u);
  EXPECT_EQ(samples.complete_samples(), 1);
}

TEST(SocketSamplesTest, SyncMayComeAlone) {
  SocketSamples samples;
  EXPECT_FALSE(AddComplete(samples, WatchMessage().At(1).Socket(1)));
  EXPECT_TRUE(AddComplete(samples, WatchMessage().Sync()));
  EXPECT_EQ(samples.sample_time(), absl::FromUnixSeconds(1));
}

TEST(SocketSamplesTest, LaterSampleIsCompleteWithoutMore) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(1).Socket(1).Sync());
  EXPECT_FALSE(AddComplete(samples, WatchMessage().At(2).Socket(1, 10).More()));
  EXPECT_TRUE(AddComplete(samples, WatchMessage().At(2).Socket(2, 5)));
  EXPECT_EQ(samples.complete_samples(), 2);
}

TEST(SocketSamplesTest, RatesComeFromSampleTimes) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(10).Socket(1, 100, 1000).Sync());
  EXPECT_FALSE(samples.sockets().at("sockets/1").rates.has_value()) << "no baseline yet";
  AddComplete(samples, WatchMessage().At(14).Socket(1, 108, 3000));
  const auto& rates = samples.sockets().at("sockets/1").rates;
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(rates->events, 2);
  EXPECT_EQ(rates->receive_bytes, 500);
  EXPECT_EQ(rates->accepts, 0);
}

TEST(SocketSamplesTest, SuppressedSocketHasRateZero) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(1).Socket(1, 100).Socket(2, 7).Sync());
  AddComplete(samples, WatchMessage().At(2).Socket(1, 110).Socket(2, 8));
  AddComplete(samples, WatchMessage().At(3).Socket(1, 120));
  EXPECT_EQ(samples.sockets().at("sockets/1").rates->events, 10);
  EXPECT_EQ(samples.sockets().at("sockets/2").rates->events, 0);
  EXPECT_EQ(samples.sockets().at("sockets/2").socket.counters().handler_calls(), 8);
}

TEST(SocketSamplesTest, NewSocketCountsFromZero) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(10).Sync());
  AddComplete(samples, WatchMessage().At(12).Socket(1, 8).CreatedAt(11));
  EXPECT_EQ(samples.sockets().at("sockets/1").rates->events, 4);
}

TEST(SocketSamplesTest, SocketThatBeginsToMatchHasNoRateYet) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(10).Sync());
  AddComplete(samples, WatchMessage().At(12).Socket(1, 1'000'000).CreatedAt(5));
  EXPECT_FALSE(samples.sockets().at("sockets/1").rates.has_value());
}

TEST(SocketSamplesTest, SameTimeGivesNoRate) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(10).Socket(1, 1).Sync());
  AddComplete(samples, WatchMessage().At(10).Socket(1, 2));
  EXPECT_FALSE(samples.sockets().at("sockets/1").rates.has_value());
}

TEST(SocketSamplesTest, RemovedSocketVanishes) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(1).Socket(1).Socket(2).Sync());
  AddComplete(samples, WatchMessage().At(2).Removed(1).Removed(77));
  EXPECT_EQ(samples.sockets().count("sockets/1"), 0u);
  EXPECT_EQ(samples.sockets().count("sockets/2"), 1u);
}

TEST(SocketSamplesTest, ResetForgetsAllSockets) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(1).Socket(1).Socket(2).Sync());
  v1::WatchSocketsResponse message = WatchMessage().At(2).Socket(2);
  message.set_reset(true);
  AddComplete(samples, message);
  EXPECT_EQ(samples.sockets().count("sockets/1"), 0u);
  EXPECT_EQ(samples.sockets().count("sockets/2"), 1u);
}

TEST(SocketSamplesTest, HeartbeatIsASampleInWhichNothingChanged) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage().At(1).Socket(1, 5).Sync());
  v1::WatchSocketsResponse message = WatchMessage().At(2);
  message.mutable_heartbeat()->set_sequence(1);
  AddComplete(samples, message);
  EXPECT_EQ(samples.sockets().at("sockets/1").rates->events, 0);
}

TEST(SocketSamplesTest, LagIsRemembered) {
  SocketSamples samples;
  v1::WatchSocketsResponse message = WatchMessage().At(1).Sync();
  message.mutable_lag()->set_coalesced(3);
  AddComplete(samples, message);
  AddComplete(samples, WatchMessage().At(2));
  EXPECT_EQ(samples.coalesced(), 3);
}

TEST(SocketSamplesTest, OtherInstanceIsError) {
  SocketSamples samples;
  AddComplete(samples, WatchMessage("first").At(1).Sync());
  const auto added = samples.Add(WatchMessage("second").At(2));
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(added.status().message()),
              testing::HasSubstr("instance first became second"));
}

}  // namespace
}  // namespace sockhost::client
