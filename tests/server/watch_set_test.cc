#include "server/watch_set.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "sockhost/fd_limit.h"
#include "tests/core/eventually.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Gt;
using testing::Pair;
using testing::UnorderedElementsAre;
using v1::WatchSocketsRequest;
using v1::WatchSocketsResponse;

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status rich;
  rich.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  if (rich.details_size() == 0 || !rich.details(0).UnpackTo(&info)) {
    ADD_FAILURE() << "no ErrorInfo: " << status.error_message();
  }
  return info;
}

// One open stream.
class Stream {
 public:
  Stream(AdminApi& api, const WatchSocketsRequest& request)
      : reader_(api.stub().WatchSockets(&context_, request)) {}
  ~Stream() {
    if (!reader_) return;
    context_.TryCancel();
    End();
  }

  WatchSocketsResponse Read() {
    WatchSocketsResponse message;
    EXPECT_TRUE(reader_->Read(&message));
    return message;
  }

  // Reads on until the stream is over.
  grpc::Status End() {
    WatchSocketsResponse message;
    while (reader_->Read(&message)) {
    }
    const grpc::Status status = reader_->Finish();
    reader_ = nullptr;
    return status;
  }

  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<WatchSocketsResponse>> reader_;
};

WatchSocketsRequest Every(absl::Duration interval) {
  WatchSocketsRequest request;
  request.mutable_sample_interval()->set_seconds(absl::ToInt64Seconds(interval));
  request.mutable_sample_interval()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(interval % absl::Seconds(1))));
  return request;
}

WatchSocketsRequest Once() {
  WatchSocketsRequest request;
  request.set_mode(WatchSocketsRequest::ONCE);
  return request;
}

TEST(WatchSetTest, OnceEndsBehindTheInitialSet) {
  AdminApi api;
  api.CreateListener("web", "echo");
  Stream stream(api, Once());
  const WatchSocketsResponse message = stream.Read();
  EXPECT_TRUE(message.sync());
  EXPECT_EQ(message.sockets_size(), 1);
  EXPECT_EQ(message.instance_id(), "instance");
  EXPECT_TRUE(stream.End().ok());
  EXPECT_TRUE(Becomes([&] { return api.watches().size(); }, Eq(0u)));
}

TEST(WatchSetTest, WhatHasEndedLeavesNothingToBeDoneLater) {
  AdminApi api;
  for (WatchSocketsRequest request :
       {Once(), Every(absl::Milliseconds(100)), Every(absl::Hours(1))}) {
    request.mutable_heartbeat_interval()->set_seconds(3600);
    Stream stream(api, request);
    EXPECT_TRUE(stream.Read().sync());
  }
  EXPECT_TRUE(Becomes([&] { return api.tasks().waiting(); }, Eq(0u)));
}

TEST(WatchSetTest, StreamGoesOn) {
  AdminApi api;
  Stream stream(api, Every(absl::Milliseconds(100)));
  for (int64_t sequence = 1; sequence <= 3; ++sequence) {
    const WatchSocketsResponse message = stream.Read();
    EXPECT_EQ(message.sequence(), sequence);
    EXPECT_EQ(message.sync(), sequence == 1);
  }
}

TEST(WatchSetTest, IntervalsOutOfRangeAreRefused) {
  AdminApi api;
  for (const absl::Duration interval :
       {absl::Milliseconds(99), absl::Nanoseconds(1), absl::Seconds(-1), absl::Nanoseconds(-1),
        absl::Hours(1) + absl::Nanoseconds(1), absl::Hours(100'000)}) {
    Stream stream(api, Every(interval));
    const grpc::Status status = stream.End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << interval;
    EXPECT_EQ(InfoOf(status).reason(), "INTERVAL_INVALID");
  }
}

TEST(WatchSetTest, WrongFilterIsRefused) {
  AdminApi api;
  WatchSocketsRequest request;
  request.set_filter("no_such_field = 1");
  Stream stream(api, request);
  EXPECT_EQ(InfoOf(stream.End()).reason(), "FILTER_INVALID");
}

TEST(WatchSetTest, LimitIsToldAndFreedAgain) {
  AdminApi::Options options;
  options.max_watches = 2;
  AdminApi api(options);
  Stream first(api, Every(absl::Seconds(1)));
  Stream second(api, Every(absl::Seconds(2)));
  first.Read();
  second.Read();
  {
    Stream third(api, Once());
    const grpc::Status status = third.End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(InfoOf(status).reason(), "WATCH_LIMIT");
    EXPECT_THAT(InfoOf(status).metadata(),
                UnorderedElementsAre(Pair("limit", "2"), Pair("used", "2"),
                                     Pair("setting", "--max-watches")));
  }
  first.Cancel();
  EXPECT_TRUE(Becomes([&] { return api.watches().size(); }, Eq(1u)));
  Stream again(api, Once());
  EXPECT_TRUE(again.Read().sync());
}

// A client that watches and hangs up, again and again, within one interval.
TEST(WatchSetTest, WatchesThatComeAndGoLeaveOneSampler) {
  constexpr absl::Duration kInterval = absl::Milliseconds(300);
  AdminApi api;
  for (int i = 0; i < 10; ++i) {
    Stream stream(api, Every(kInterval));
    stream.Read();
  }
  Stream stream(api, Every(kInterval));
  stream.Read();  // the initial set comes at once
  const auto time = [](const WatchSocketsResponse& message) {
    return absl::Seconds(message.sample_time().seconds()) +
           absl::Nanoseconds(message.sample_time().nanos());
  };
  const absl::Duration first = time(stream.Read());
  for (int i = 0; i < 4; ++i) stream.Read();
  // Five intervals: a loaded machine can make them longer, nothing shorter than four.
  EXPECT_GT(time(stream.Read()) - first, 4 * kInterval);
}

// Readers that take nothing of samples of several messages, whose next ones are an hour away.
TEST(WatchSetTest, SamplesOfReadersThatAreStuckAreFewAndNotKept) {
  RaiseFdLimit();
  AdminApi api;
  const std::string padding(40, 'x');
  for (int i = 0; i < 3000; ++i) {
    api.CreateListener(absl::StrCat(padding, i), "discard", "udp://127.0.0.1:0");
  }
  // No two share a view.
  std::vector<std::unique_ptr<Stream>> stuck;
  for (int i = 0; i < 40; ++i) {
    WatchSocketsRequest request = Every(absl::Hours(1));
    request.set_filter(absl::StrCat("fd != ", 1'000'000 + i));
    stuck.push_back(std::make_unique<Stream>(api, request));
  }
  size_t most = 0;
  const auto held = [&] {
    const size_t now = api.watches().held_bytes();
    most = std::max(most, now);
    return now;
  };
  EXPECT_TRUE(Becomes(held, Gt(256u << 10)));
  EXPECT_TRUE(Becomes([&] { return api.watches().size(); }, Eq(40u)));
  EXPECT_TRUE(Becomes(held, Eq(0u)));
  EXPECT_LE(most, 16u << 20);
}

TEST(WatchSetTest, StopEndsEveryWatchAndRefusesNewOnes) {
  AdminApi api;
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 10; ++i) {
    streams.push_back(std::make_unique<Stream>(api, Every(absl::Milliseconds(100 + i))));
    streams.back()->Read();
  }
  api.watches().Stop();
  for (const auto& stream : streams) {
    const grpc::Status status = stream->End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(InfoOf(status).reason(), "SHUTTING_DOWN");
  }
  EXPECT_TRUE(Becomes([&] { return api.watches().size(); }, Eq(0u)));
  Stream late(api, Once());
  EXPECT_EQ(InfoOf(late.End()).reason(), "SHUTTING_DOWN");
}

TEST(WatchSetTest, CancelledWatchesAreForgotten) {
  AdminApi api;
  for (int i = 0; i < 50; ++i) {
    Stream stream(api, Every(absl::Milliseconds(100)));
    if (i % 2 == 0) stream.Read();  // the others are cancelled before their first message
  }
  EXPECT_TRUE(Becomes([&] { return api.watches().size(); }, Eq(0u)));
}

}  // namespace
}  // namespace sockhost
