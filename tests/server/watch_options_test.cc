#include "server/watch_options.h"

#include <gmock/gmock.h>

#include "sockhost/error.h"

namespace sockhost {
namespace {

using v1::WatchSocketsRequest;

void SetInterval(google::protobuf::Duration& out, absl::Duration interval) {
  out.set_seconds(absl::IDivDuration(interval, absl::Seconds(1), &interval));
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(interval)));
}

ErrorDetail ErrorOf(const WatchSocketsRequest& request) {
  const absl::StatusOr<WatchOptions> options = ParseWatchOptions(request);
  EXPECT_FALSE(options.ok()) << request.ShortDebugString();
  return options.ok() ? ErrorDetail() : DetailOf(options.status()).value();
}

TEST(WatchOptionsTest, Defaults) {
  const WatchOptions options = ParseWatchOptions({}).value();
  EXPECT_EQ(options.interval, absl::Milliseconds(100));
  EXPECT_EQ(options.heartbeat, absl::ZeroDuration());
  EXPECT_FALSE(options.once());
  EXPECT_FALSE(options.only_changed);
  EXPECT_FALSE(options.updates_only);
}

TEST(WatchOptionsTest, IntervalsInRangeAreTaken) {
  for (const absl::Duration interval :
       {absl::Milliseconds(100), absl::Seconds(1.5), absl::Hours(1)}) {
    WatchSocketsRequest request;
    SetInterval(*request.mutable_sample_interval(), interval);
    SetInterval(*request.mutable_heartbeat_interval(), interval);
    EXPECT_EQ(ParseWatchOptions(request)->interval, interval);
    EXPECT_EQ(ParseWatchOptions(request)->heartbeat, interval);
  }
}

TEST(WatchOptionsTest, IntervalsOutOfRangeAreRefused) {
  for (const absl::Duration interval :
       {absl::Milliseconds(99), absl::Nanoseconds(1), absl::Seconds(-1), absl::Nanoseconds(-1),
        absl::Hours(1) + absl::Nanoseconds(1), absl::Hours(100'000)}) {
    WatchSocketsRequest sample;
    SetInterval(*sample.mutable_sample_interval(), interval);
    EXPECT_EQ(ErrorOf(sample).reason, Reason::kINTERVAL_INVALID) << interval;
    EXPECT_EQ(ErrorOf(sample).field, "sample_interval");
    WatchSocketsRequest heartbeat;
    SetInterval(*heartbeat.mutable_heartbeat_interval(), interval);
    EXPECT_EQ(ErrorOf(heartbeat).reason, Reason::kINTERVAL_INVALID) << interval;
    EXPECT_EQ(ErrorOf(heartbeat).field, "heartbeat_interval");
  }
}

TEST(WatchOptionsTest, IntervalThatIsNoDurationIsRefused) {
  WatchSocketsRequest request;
  request.mutable_sample_interval()->set_seconds(1);
  request.mutable_sample_interval()->set_nanos(-500'000'000);
  EXPECT_EQ(ErrorOf(request).reason, Reason::kINTERVAL_INVALID);
  EXPECT_EQ(ErrorOf(request).field, "sample_interval");
}

TEST(WatchOptionsTest, UnknownNumbersOfEnumsAreRefused) {
  WatchSocketsRequest mode;
  mode.set_mode(static_cast<WatchSocketsRequest::Mode>(9));
  EXPECT_EQ(ErrorOf(mode).reason, Reason::kFIELD_INVALID);
  EXPECT_EQ(ErrorOf(mode).field, "mode");
  EXPECT_EQ(ErrorOf(mode).metadata.at("value"), "9");
  WatchSocketsRequest trigger;
  trigger.set_trigger(static_cast<WatchSocketsRequest::Trigger>(-1));
  EXPECT_EQ(ErrorOf(trigger).reason, Reason::kFIELD_INVALID);
  EXPECT_EQ(ErrorOf(trigger).field, "trigger");
}

TEST(WatchOptionsTest, WrongFilterAndMaskAreRefused) {
  WatchSocketsRequest filter;
  filter.set_filter("no_such_field = 1");
  EXPECT_EQ(ErrorOf(filter).reason, Reason::kFILTER_INVALID);
  WatchSocketsRequest mask;
  mask.mutable_read_mask()->add_paths("no_such_field");
  EXPECT_EQ(ErrorOf(mask).reason, Reason::kMASK_INVALID);
  EXPECT_EQ(ErrorOf(mask).field, "read_mask");
}

TEST(WatchOptionsTest, FieldsThatAWatchNeverFillsAreRefused) {
  for (const char* path : {"tcp_info", "options.no_delay", "queues.receive_bytes", "memory"}) {
    WatchSocketsRequest request;
    request.mutable_read_mask()->add_paths("fd");
    request.mutable_read_mask()->add_paths(path);
    const ErrorDetail error = ErrorOf(request);
    EXPECT_EQ(error.reason, Reason::kMASK_INVALID);
    EXPECT_EQ(error.field, "read_mask");
    EXPECT_EQ(error.metadata.at("path"), path);
  }
}

TEST(WatchOptionsTest, OnChangeIsSampleWithSuppressRedundant) {
  WatchSocketsRequest request;
  request.set_trigger(WatchSocketsRequest::SAMPLE);
  EXPECT_FALSE(ParseWatchOptions(request)->only_changed);
  request.set_suppress_redundant(true);
  EXPECT_TRUE(ParseWatchOptions(request)->only_changed);
  request.set_suppress_redundant(false);
  request.set_trigger(WatchSocketsRequest::ON_CHANGE);
  EXPECT_TRUE(ParseWatchOptions(request)->only_changed);
}

TEST(WatchOptionsTest, SameFilterAndMaskGiveTheSameView) {
  WatchSocketsRequest request;
  request.set_filter("fd > 3");
  request.mutable_read_mask()->add_paths("fd");
  const std::string key = ParseWatchOptions(request)->view_key;
  request.set_suppress_redundant(true);
  EXPECT_EQ(ParseWatchOptions(request)->view_key, key);
  request.set_filter("fd > 4");
  EXPECT_NE(ParseWatchOptions(request)->view_key, key);
  request.set_filter("fd > 3");
  request.clear_read_mask();
  EXPECT_NE(ParseWatchOptions(request)->view_key, key);
}

}  // namespace
}  // namespace sockhost
