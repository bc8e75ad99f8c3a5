#include "server/view_cursor.h"

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/view_fixture.h"

namespace sockhost {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;
using v1::WatchSocketsResponse;

constexpr size_t kMessageLimit = 256 * 1024;

// A view, and a watch on its way through it.
class ViewCursorTest : public testing::Test {
 protected:
  ViewCursorTest() { view_.Hold(); }

  void Update(const SocketSample& sample) { view_.Update(sample); }

  // The next part of a sweep.
  WatchSocketsResponse Next(ViewCursor& cursor) {
    if (!cursor.in_sweep()) cursor.Begin();
    ViewCursor::Part part = cursor.Next(*view_.frame());
    WatchSocketsResponse message = Decode(part.fields);
    message.set_more(part.more);
    message.set_reset(part.reset);
    return message;
  }

  // A whole sweep as one message, although it may need several.
  WatchSocketsResponse Sweep(ViewCursor& cursor) {
    WatchSocketsResponse all;
    do {
      all.MergeFrom(Next(cursor));
    } while (cursor.in_sweep());
    return all;
  }

  SocketView view_{{}, {}};
  ViewCursor all_{false};
  ViewCursor changes_{true};
};

TEST_F(ViewCursorTest, EverySweepShowsEverySocket) {
  Update(SampleOfIds({1, 2, 5}));
  EXPECT_THAT(IdsOf(Sweep(all_)), ElementsAre(1, 2, 5));
  EXPECT_THAT(IdsOf(Sweep(all_)), ElementsAre(1, 2, 5));
}

TEST_F(ViewCursorTest, OnlyChangesAreShownIfThatIsWanted) {
  Update(SampleOfIds({1, 2, 3}));
  EXPECT_THAT(IdsOf(Sweep(changes_)), ElementsAre(1, 2, 3));
  EXPECT_THAT(IdsOf(Sweep(changes_)), IsEmpty());
  Update(Sample({SocketOfId(1), SocketOfId(2, 9), SocketOfId(4)}));
  const WatchSocketsResponse message = Sweep(changes_);
  EXPECT_THAT(IdsOf(message), ElementsAre(2, 4));
  EXPECT_THAT(RemovedIdsOf(message), ElementsAre(3));
}

TEST_F(ViewCursorTest, WhatIsGoneIsRemovedOnce) {
  Update(SampleOfIds({1, 2, 3, 4}));
  Sweep(all_);
  Update(SampleOfIds({2, 4, 5}));
  EXPECT_THAT(RemovedIdsOf(Sweep(all_)), ElementsAre(1, 3));
  Update(SampleOfIds({}));
  EXPECT_THAT(RemovedIdsOf(Sweep(all_)), ElementsAre(2, 4, 5));
  EXPECT_THAT(RemovedIdsOf(Sweep(all_)), IsEmpty());
}

TEST_F(ViewCursorTest, WhatWasNeverShownIsNeverRemoved) {
  Update(SampleOfIds({1}));
  Sweep(all_);
  Update(SampleOfIds({1, 2}));  // never seen
  Update(SampleOfIds({1, 3}));
  EXPECT_THAT(RemovedIdsOf(Sweep(all_)), IsEmpty());
}

TEST_F(ViewCursorTest, WhatWentAndCameBackIsShownNotRemoved) {
  Update(SampleOfIds({1}));
  Sweep(changes_);
  Update(SampleOfIds({}));
  Update(SampleOfIds({1}));
  const WatchSocketsResponse message = Sweep(changes_);
  EXPECT_THAT(IdsOf(message), ElementsAre(1));
  EXPECT_THAT(RemovedIdsOf(message), IsEmpty());
  Update(SampleOfIds({}));
  Update(SampleOfIds({1}));
  Update(SampleOfIds({}));
  EXPECT_THAT(RemovedIdsOf(Sweep(changes_)), ElementsAre(1));
}

TEST_F(ViewCursorTest, SkippedIsAsIfItHadBeenShown) {
  Update(SampleOfIds({1, 2}));
  changes_.Skip(*view_.frame());
  EXPECT_THAT(IdsOf(Sweep(changes_)), IsEmpty());
  Update(Sample({SocketOfId(2, 5)}));
  const WatchSocketsResponse message = Sweep(changes_);
  EXPECT_THAT(IdsOf(message), ElementsAre(2));
  EXPECT_THAT(RemovedIdsOf(message), ElementsAre(1));
}

TEST_F(ViewCursorTest, LargeSweepIsSplit) {
  Update(SampleOfCount(5000));
  std::vector<WatchSocketsResponse> messages;
  do {
    messages.push_back(Next(all_));
  } while (all_.in_sweep());
  ASSERT_GT(messages.size(), 1u);
  std::vector<size_t> sizes;
  size_t sockets = 0;
  for (const auto& message : messages) {
    sizes.push_back(message.ByteSizeLong());
    sockets += static_cast<size_t>(message.sockets_size());
    EXPECT_EQ(message.more(), &message != &messages.back());
  }
  EXPECT_THAT(sizes, Each(Le(kMessageLimit)));
  EXPECT_EQ(sockets, 5000u);
}

TEST_F(ViewCursorTest, LargestSocketsStillFit) {
  SocketSnapshot largest = SocketOfId(1);
  largest.service = largest.listener = std::make_shared<const std::string>(std::string(63, 'x'));
  largest.local = largest.remote =
      SocketAddress::Parse("tcp://[1111:2222:3333:4444:5555:6666:7777:8888]:65535").value();
  largest.cookie = ~uint64_t{0};
  largest.events = ~uint32_t{0};
  for (size_t i = 0; i < kCounters; ++i) largest.counters[static_cast<Counter>(i)] = INT64_MAX;
  std::vector<SocketSnapshot> sockets;
  for (SocketId id = 1; id <= 2000; ++id) {
    largest.id = INT64_MAX - 2001 + id;
    sockets.push_back(largest);
  }
  Update(Sample(std::move(sockets)));
  size_t count = 0;
  do {
    const WatchSocketsResponse message = Next(all_);
    EXPECT_LE(message.ByteSizeLong(), kMessageLimit);
    count += static_cast<size_t>(message.sockets_size());
  } while (all_.in_sweep());
  EXPECT_EQ(count, 2000u);
}

TEST_F(ViewCursorTest, RemovalOfManyIsSplit) {
  Update(SampleOfCount(40'000));
  Sweep(changes_);
  Update(SampleOfIds({}));
  std::set<SocketId> removed;
  size_t messages = 0;
  do {
    const WatchSocketsResponse message = Next(changes_);
    EXPECT_LE(message.ByteSizeLong(), kMessageLimit);
    for (const SocketId id : RemovedIdsOf(message)) EXPECT_TRUE(removed.insert(id).second) << id;
    ++messages;
  } while (changes_.in_sweep());
  EXPECT_GT(messages, 1u);
  EXPECT_THAT(removed, SizeIs(40'000));
}

// The bytes of the watches that keep up are the view's own.
TEST_F(ViewCursorTest, WatchesShareTheBytes) {
  Update(SampleOfCount(1000));
  const auto frame = view_.frame();
  ViewCursor other(false);
  all_.Begin();
  other.Begin();
  const ViewCursor::Part one = all_.Next(*frame);
  const ViewCursor::Part two = other.Next(*frame);
  ASSERT_EQ(one.fields.size(), two.fields.size());
  for (size_t i = 0; i < one.fields.size(); ++i) {
    EXPECT_EQ(one.fields[i].begin(), two.fields[i].begin());
    EXPECT_EQ(one.fields[i].begin(), frame->chunks[i].begin());
  }
}

TEST_F(ViewCursorTest, SlowReaderGoesOnWithTheNewestFrame) {
  Update(SampleOfCount(5000, 1));
  const WatchSocketsResponse first = Next(all_);
  ASSERT_TRUE(first.more());
  Update(SampleOfCount(5000, 2));
  const WatchSocketsResponse second = Next(all_);
  EXPECT_EQ(IdsOf(second).front(), IdsOf(first).back() + 1);
  EXPECT_EQ(second.sockets(0).counters().receive_bytes(), 2);
}

TEST_F(ViewCursorTest, TooSlowReaderIsReset) {
  Update(SampleOfCount(5000));
  Sweep(changes_);
  Update(SampleOfIds({7}));
  for (int i = 0; i < 10; ++i) Update(SampleOfIds({7}));
  const WatchSocketsResponse message = Sweep(changes_);
  EXPECT_TRUE(message.reset());
  EXPECT_THAT(IdsOf(message), ElementsAre(7));
  EXPECT_THAT(RemovedIdsOf(message), IsEmpty());
  EXPECT_FALSE(Sweep(changes_).reset());
}

// What a client does with the messages.
class Reader {
 public:
  explicit Reader(bool only_changed) : cursor_(only_changed) {}

  void Read(const ViewFrame& frame) {
    if (!cursor_.in_sweep()) cursor_.Begin();
    const ViewCursor::Part part = cursor_.Next(frame);
    const WatchSocketsResponse message = Decode(part.fields);
    if (part.reset) known_.clear();
    const std::vector<SocketId> ids = IdsOf(message);
    for (size_t i = 0; i < ids.size(); ++i) {
      known_[ids[i]] = message.sockets(static_cast<int>(i)).counters().receive_bytes();
    }
    for (const SocketId id : RemovedIdsOf(message)) {
      EXPECT_EQ(known_.erase(id), 1u) << "sockets/" << id << " was not there";
    }
  }

  // Ends the sweep, which may have begun in an older frame, and makes another.
  void CatchUp(const ViewFrame& frame) {
    while (cursor_.in_sweep()) Read(frame);
    do {
      Read(frame);
    } while (cursor_.in_sweep());
  }

  const std::map<SocketId, int64_t>& known() const { return known_; }

 private:
  ViewCursor cursor_;
  std::map<SocketId, int64_t> known_;
};

// Sockets that come, go and count at random.
class Churn {
 public:
  bool OneIn(unsigned n) { return random_() % n == 0; }

  SocketSample Next() {
    std::erase_if(sockets_, [this](const auto&) { return OneIn(50); });
    for (auto& [id, received] : sockets_) received += OneIn(10) ? 1 : 0;
    while (sockets_.size() < 4000) sockets_[next_id_++] = 0;
    std::vector<SocketSnapshot> snapshots;
    for (const auto& [id, received] : sockets_) snapshots.push_back(SocketOfId(id, received));
    return Sample(std::move(snapshots));
  }

  const std::map<SocketId, int64_t>& sockets() const { return sockets_; }

 private:
  std::mt19937 random_{4};
  SocketId next_id_ = 1;
  std::map<SocketId, int64_t> sockets_;
};

TEST_F(ViewCursorTest, ReaderOfAnySpeedKnowsTheTruthWhenItHasCaughtUp) {
  for (const bool only_changed : {false, true}) {
    Churn churn;
    Reader reader(only_changed);
    for (int round = 0; round < 60; ++round) {
      Update(churn.Next());
      // Several parts of one frame, or several frames to one part.
      while (!churn.OneIn(3)) reader.Read(*view_.frame());
      if (!churn.OneIn(10)) continue;
      reader.CatchUp(*view_.frame());
      ASSERT_EQ(reader.known(), churn.sockets()) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace sockhost
