#include "server/sample_cursor.h"

#include <gmock/gmock.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sockhost {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;
using v1::WatchSocketsResponse;

constexpr size_t kMessageLimit = 256 * 1024;

SocketSnapshot Socket(SocketId id, int64_t received = 0) {
  static const auto* service = new std::shared_ptr<const std::string>(new std::string("echo"));
  SocketSnapshot socket;
  socket.id = id;
  socket.fd = static_cast<int>(id) + 10;
  socket.service = *service;
  socket.local = SocketAddress::Parse("tcp://127.0.0.1:7").value();
  socket.counters[Counter::receive_bytes] = received;
  return socket;
}

std::shared_ptr<const SocketSample> Sample(std::vector<SocketSnapshot> sockets) {
  auto sample = std::make_shared<SocketSample>();
  sample->time_nanos = 1'700'000'000'000'000'005;
  sample->sockets = std::move(sockets);
  return sample;
}

std::shared_ptr<const SocketSample> SampleOfIds(std::initializer_list<SocketId> ids) {
  std::vector<SocketSnapshot> sockets;
  for (const SocketId id : ids) sockets.push_back(Socket(id));
  return Sample(std::move(sockets));
}

// All messages of one sample.
std::vector<WatchSocketsResponse> Walk(SampleCursor& cursor,
                                       std::shared_ptr<const SocketSample> sample) {
  std::vector<WatchSocketsResponse> messages;
  cursor.Begin(std::move(sample));
  while (cursor.has_next()) cursor.Next(0, messages.emplace_back());
  return messages;
}

std::vector<std::string> Shown(const std::vector<WatchSocketsResponse>& messages) {
  std::vector<std::string> names;
  for (const auto& message : messages) {
    for (const v1::Socket& socket : message.sockets()) names.push_back(socket.name());
  }
  return names;
}

std::vector<std::string> Removed(const std::vector<WatchSocketsResponse>& messages) {
  std::vector<std::string> names;
  for (const auto& message : messages) {
    names.insert(names.end(), message.removed().begin(), message.removed().end());
  }
  return names;
}

SampleCursor::Options Filtered(const char* filter) {
  SampleCursor::Options options;
  options.filter = SocketFilter::Parse(filter).value();
  return options;
}

TEST(SampleCursorTest, FirstSampleIsTheInitialSetAndSync) {
  SampleCursor::Options options;
  options.instance_id = "instance";
  SampleCursor cursor(options);
  const auto messages = Walk(cursor, SampleOfIds({1, 2, 5}));
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_THAT(Shown(messages), ElementsAre("sockets/1", "sockets/2", "sockets/5"));
  EXPECT_EQ(messages[0].instance_id(), "instance");
  EXPECT_EQ(messages[0].sequence(), 1);
  EXPECT_EQ(messages[0].sample_time().seconds(), 1'700'000'000);
  EXPECT_EQ(messages[0].sample_time().nanos(), 5);
  EXPECT_TRUE(messages[0].sync());
  EXPECT_FALSE(messages[0].more());
}

TEST(SampleCursorTest, SyncIsSetOnceAndSequenceCounts) {
  SampleCursor cursor({});
  for (int64_t i = 1; i <= 3; ++i) {
    const auto messages = Walk(cursor, SampleOfIds({1}));
    ASSERT_THAT(messages, SizeIs(1));
    EXPECT_EQ(messages[0].sequence(), i);
    EXPECT_EQ(messages[0].sync(), i == 1);
  }
}

TEST(SampleCursorTest, EmptySampleIsOneMessage) {
  SampleCursor cursor({});
  const auto messages = Walk(cursor, SampleOfIds({}));
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_TRUE(messages[0].sync());
}

TEST(SampleCursorTest, NumberOfSkippedSamplesIsPassedOn) {
  SampleCursor cursor({});
  cursor.Begin(SampleOfIds({1}));
  WatchSocketsResponse message;
  cursor.Next(42, message);
  EXPECT_EQ(message.coalesced(), 42);
}

TEST(SampleCursorTest, WhatIsGoneIsRemovedOnce) {
  SampleCursor cursor({});
  Walk(cursor, SampleOfIds({1, 2, 3, 4}));
  const auto second = Walk(cursor, SampleOfIds({2, 4, 5}));
  EXPECT_THAT(Shown(second), ElementsAre("sockets/2", "sockets/4", "sockets/5"));
  EXPECT_THAT(Removed(second), ElementsAre("sockets/1", "sockets/3"));
  const auto third = Walk(cursor, SampleOfIds({}));
  EXPECT_THAT(Removed(third), ElementsAre("sockets/2", "sockets/4", "sockets/5"));
  EXPECT_THAT(Removed(Walk(cursor, SampleOfIds({}))), IsEmpty());
}

TEST(SampleCursorTest, OnlyWhatMatchesIsShownAndRemoved) {
  SampleCursor cursor(Filtered("fd > 11"));
  EXPECT_THAT(Shown(Walk(cursor, SampleOfIds({1, 2, 3}))), ElementsAre("sockets/2", "sockets/3"));
  const auto second = Walk(cursor, SampleOfIds({}));
  EXPECT_THAT(Removed(second), ElementsAre("sockets/2", "sockets/3"));
}

TEST(SampleCursorTest, WhatMatchesNoMoreIsRemovedAndWhatMatchesAgainIsShown) {
  SampleCursor cursor(Filtered("counters.receive_bytes < 10"));
  EXPECT_THAT(Shown(Walk(cursor, Sample({Socket(1, 5)}))), ElementsAre("sockets/1"));
  const auto second = Walk(cursor, Sample({Socket(1, 15)}));
  EXPECT_THAT(Shown(second), IsEmpty());
  EXPECT_THAT(Removed(second), ElementsAre("sockets/1"));
  const auto third = Walk(cursor, Sample({Socket(1, 25)}));
  EXPECT_THAT(Removed(third), IsEmpty());
  EXPECT_THAT(Shown(Walk(cursor, Sample({Socket(1, 0)}))), ElementsAre("sockets/1"));
}

TEST(SampleCursorTest, SuppressedIsWhatLooksTheSame) {
  SampleCursor::Options options;
  options.suppress_redundant = true;
  SampleCursor cursor(options);
  Walk(cursor, Sample({Socket(1), Socket(2), Socket(3), Socket(4)}));
  SocketSnapshot masked = Socket(2);
  masked.masked = true;
  SocketSnapshot writing = Socket(3);
  writing.events = 4;
  const auto second = Walk(cursor, Sample({Socket(1), masked, writing, Socket(4, 1), Socket(5)}));
  EXPECT_THAT(Shown(second), ElementsAre("sockets/2", "sockets/3", "sockets/4", "sockets/5"));
  EXPECT_THAT(Shown(Walk(cursor, Sample({Socket(1), masked, writing, Socket(4, 1), Socket(5)}))),
              IsEmpty());
}

TEST(SampleCursorTest, SuppressedIsShownWhenItBeginsToMatch) {
  SampleCursor::Options options = Filtered("counters.receive_bytes > 0");
  options.suppress_redundant = true;
  SampleCursor cursor(options);
  EXPECT_THAT(Shown(Walk(cursor, Sample({Socket(1)}))), IsEmpty());
  EXPECT_THAT(Shown(Walk(cursor, Sample({Socket(1, 1)}))), ElementsAre("sockets/1"));
  EXPECT_THAT(Shown(Walk(cursor, Sample({Socket(1, 1)}))), IsEmpty());
}

// A reader that was slow never saw the sample in between.
TEST(SampleCursorTest, WhatWasNeverShownIsNeverRemoved) {
  SampleCursor cursor({});
  Walk(cursor, SampleOfIds({1}));
  EXPECT_THAT(Removed(Walk(cursor, SampleOfIds({1, 3}))), IsEmpty());
}

class LargeSampleTest : public testing::Test {
 protected:
  static constexpr SocketId kCount = 5000;

  static std::shared_ptr<const SocketSample> Large() {
    std::vector<SocketSnapshot> sockets;
    for (SocketId id = 1; id <= kCount; ++id) sockets.push_back(Socket(id, id));
    return Sample(std::move(sockets));
  }

  // What holds for the messages of any sample.
  static void ExpectWellSplit(const std::vector<WatchSocketsResponse>& messages) {
    std::vector<size_t> sizes;
    for (const auto& message : messages) sizes.push_back(message.ByteSizeLong());
    EXPECT_THAT(sizes, Each(Le(kMessageLimit)));
    for (size_t i = 0; i < messages.size(); ++i) {
      EXPECT_EQ(messages[i].more(), i + 1 < messages.size());
      EXPECT_EQ(messages[i].sequence(), messages[0].sequence() + static_cast<int64_t>(i));
      EXPECT_EQ(messages[i].sample_time().nanos(), 5);
    }
  }
};

TEST_F(LargeSampleTest, IsSplit) {
  SampleCursor cursor({});
  const auto messages = Walk(cursor, Large());
  EXPECT_GT(messages.size(), 1u);
  ExpectWellSplit(messages);
  EXPECT_THAT(Shown(messages), SizeIs(kCount));
  for (const auto& message : messages) EXPECT_EQ(message.sync(), !message.more());
}

TEST_F(LargeSampleTest, IsSplitWhenEverythingIsRemovedToo) {
  SampleCursor cursor({});
  std::vector<SocketSnapshot> many;
  for (SocketId id = 1; id <= 40'000; ++id) many.push_back(Socket(id));
  Walk(cursor, Sample(std::move(many)));
  const auto messages = Walk(cursor, SampleOfIds({}));
  EXPECT_GT(messages.size(), 1u);
  ExpectWellSplit(messages);
  EXPECT_THAT(Removed(messages), SizeIs(40'000));
}

// The largest possible socket still fits into the rest of a message.
TEST_F(LargeSampleTest, FitsWithTheLargestSockets) {
  SocketSnapshot largest = Socket(1);
  largest.service = largest.listener = std::make_shared<const std::string>(std::string(63, 'x'));
  largest.local = largest.remote =
      SocketAddress::Parse("tcp://[1111:2222:3333:4444:5555:6666:7777:8888]:65535").value();
  largest.cookie = ~uint64_t{0};
  largest.events = ~uint32_t{0};
  for (size_t i = 0; i < kCounters; ++i) largest.counters[static_cast<Counter>(i)] = INT64_MAX;
  std::vector<SocketSnapshot> sockets;
  for (SocketId id = 1; id <= 2000; ++id) {
    largest.id = INT64_MAX - 2000 + id;
    sockets.push_back(largest);
  }
  SampleCursor cursor({});
  const auto messages = Walk(cursor, Sample(std::move(sockets)));
  ExpectWellSplit(messages);
  EXPECT_THAT(Shown(messages), SizeIs(2000));
}

}  // namespace
}  // namespace sockhost
