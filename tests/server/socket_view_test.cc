#include "server/socket_view.h"

#include <gmock/gmock.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/server/view_fixture.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

SocketFilter Filter(const char* text) { return SocketFilter::Parse(text).value(); }

ReadMask Mask(const char* path) {
  google::protobuf::FieldMask mask;
  mask.add_paths(path);
  return ReadMask::Parse(mask, *v1::Socket::descriptor(), "read_mask").value();
}

std::vector<ViewVersion> ChangesOf(const ViewFrame& frame) {
  std::vector<ViewVersion> changes;
  for (const ViewFrame::Entry& entry : *frame.entries) changes.push_back(entry.changed);
  return changes;
}

std::vector<SocketId> GoneOf(const ViewFrame& frame) {
  std::vector<SocketId> ids;
  for (const ViewFrame::Gone& gone : *frame.gone) ids.push_back(gone.id);
  return ids;
}

// A view whose bytes stay.
class SocketViewTest : public testing::Test {
 protected:
  SocketViewTest() { view_.Hold(); }

  const ViewFrame& Update(const SocketSample& sample, SocketView& view) {
    view.Update(sample);
    frame_ = view.frame();
    return *frame_;
  }
  const ViewFrame& Update(const SocketSample& sample) { return Update(sample, view_); }

  SocketView view_{{}, {}};
  std::shared_ptr<const ViewFrame> frame_;
};

TEST_F(SocketViewTest, IsEmptyWithoutBytesAtFirst) {
  const auto frame = view_.frame();
  EXPECT_EQ(frame->version, 0u);
  EXPECT_FALSE(frame->has_bytes);
  EXPECT_THAT(*frame->entries, IsEmpty());
}

TEST_F(SocketViewTest, HoldsTheEncodedSockets) {
  const ViewFrame& frame = Update(Sample({SocketOfId(3, 30), SocketOfId(5, 50)}));
  EXPECT_EQ(frame.version, 1u);
  const v1::WatchSocketsResponse decoded = Decode(frame.chunks);
  EXPECT_THAT(IdsOf(decoded), ElementsAre(3, 5));
  EXPECT_EQ(decoded.sockets(1).counters().receive_bytes(), 50);
  EXPECT_EQ(decoded.sockets(1).local_address(), "tcp://127.0.0.1:7");
}

TEST_F(SocketViewTest, ChunksEndBetweenSockets) {
  const ViewFrame& frame = Update(SampleOfCount(3000));
  ASSERT_GT(frame.chunks.size(), 3u);
  size_t sockets = 0;
  for (size_t i = 0; i < frame.chunks.size(); ++i) {
    EXPECT_LE(frame.chunks[i].size(), 34u * 1024);
    sockets += static_cast<size_t>(Decode({frame.chunks[i]}).sockets_size());
  }
  EXPECT_EQ(sockets, 3000u);
  for (size_t i = 0; i < frame.entries->size(); ++i) {
    const ViewFrame::Entry& entry = (*frame.entries)[i];
    const grpc::Slice one = frame.chunks[entry.chunk].sub(entry.begin, frame.EndOf(i));
    ASSERT_THAT(IdsOf(Decode({one})), ElementsAre(entry.id));
  }
}

TEST_F(SocketViewTest, OnlyWhatChangedGetsTheNewVersion) {
  Update(SampleOfIds({1, 2, 3}));
  EXPECT_THAT(ChangesOf(Update(Sample({SocketOfId(1), SocketOfId(2, 7), SocketOfId(3)}))),
              ElementsAre(1, 2, 1));
  SocketSnapshot masked = SocketOfId(3);
  masked.masked = true;
  EXPECT_THAT(ChangesOf(Update(Sample({SocketOfId(1), SocketOfId(2, 7), masked, SocketOfId(4)}))),
              ElementsAre(1, 2, 3, 3));
}

TEST_F(SocketViewTest, WhatTheMaskHidesIsNoChange) {
  SocketView view({}, Mask("fd"));
  Update(Sample({SocketOfId(1, 1)}), view);
  EXPECT_THAT(ChangesOf(Update(Sample({SocketOfId(1, 2)}), view)), ElementsAre(1));
}

TEST_F(SocketViewTest, WhatIsGoneIsRemembered) {
  Update(SampleOfIds({1, 2, 3}));
  const ViewFrame& second = Update(SampleOfIds({2, 4}));
  EXPECT_THAT(GoneOf(second), ElementsAre(1, 3));
  EXPECT_EQ((*second.gone)[0].since, 1u);
  EXPECT_EQ((*second.gone)[0].gone, 2u);
  EXPECT_THAT(GoneOf(Update(SampleOfIds({}))), ElementsAre(1, 2, 3, 4));
}

TEST_F(SocketViewTest, WhatMatchesNoMoreIsGone) {
  SocketView view(Filter("counters.receive_bytes < 10"), {});
  Update(Sample({SocketOfId(1, 1), SocketOfId(2, 20)}), view);
  const ViewFrame& second = Update(Sample({SocketOfId(1, 11), SocketOfId(2, 20)}), view);
  EXPECT_THAT(*second.entries, IsEmpty());
  EXPECT_THAT(GoneOf(second), ElementsAre(1));
  const ViewFrame& third = Update(Sample({SocketOfId(1, 1)}), view);
  EXPECT_EQ((*third.entries)[0].since, 3u);
}

TEST_F(SocketViewTest, RecentlyGoneAreAllKnownOfOlderOnesABoundedNumber) {
  Update(SampleOfCount(5000));
  EXPECT_THAT(*Update(SampleOfIds({})).gone, SizeIs(5000));
  Update(SampleOfIds({}));
  EXPECT_EQ(Update(SampleOfIds({})).forgotten, 0u);
  Update(SampleOfIds({}));
  const ViewFrame& later = Update(SampleOfIds({}));
  EXPECT_EQ(later.forgotten, 2u);
  EXPECT_THAT(*later.gone, IsEmpty());
}

TEST_F(SocketViewTest, BytesGoWithTheLastHolder) {
  SocketView view({}, {});
  EXPECT_FALSE(Update(SampleOfIds({1}), view).has_bytes);
  view.Hold();
  view.Hold();
  EXPECT_TRUE(Update(SampleOfIds({1}), view).has_bytes);
  view.Release();
  EXPECT_TRUE(view.frame()->has_bytes);
  view.Release();
  EXPECT_FALSE(view.frame()->has_bytes);
  EXPECT_THAT(*view.frame()->entries, SizeIs(1));
}

TEST_F(SocketViewTest, DropTakesTheBytesFromHolders) {
  const ViewFrame& before = Update(SampleOfIds({1}));
  view_.Drop();
  EXPECT_FALSE(view_.frame()->has_bytes);
  EXPECT_TRUE(before.has_bytes);  // who has a frame keeps it
  EXPECT_THAT(ChangesOf(Update(SampleOfIds({1}))), ElementsAre(1));
}

}  // namespace
}  // namespace sockhost
