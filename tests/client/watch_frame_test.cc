#include "client/watch_frame.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/display_text.h"
#include "tests/client/watch_message.h"

namespace sockhost::client {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

SocketSamples TwoSamples() {
  SocketSamples samples;
  EXPECT_TRUE(samples.Add(WatchMessage().At(0).Socket(1, 5).Socket(2, 0).Socket(3, 0).Sync()).ok());
  EXPECT_TRUE(
      samples.Add(WatchMessage().At(2).Socket(1, 5).Socket(2, 20000, 999).Socket(3, 3)).ok());
  return samples;
}

TEST(DrawFrameTest, ShowsTotalsAndMostActiveSocketFirst) {
  const WatchFrame frame = DrawFrame(TwoSamples(), FrameSize(), absl::UTCTimeZone());
  EXPECT_THAT(frame.summary,
              ElementsAre("sockhost 1970-01-01 00:00:02.0 UTC   sockets 3   sample 2   "
                          "instance instance-a",
                          "events 20008 (10.0k/s)   rx-bytes 999 (500/s)   tx-bytes 0 (0/s)"));
  EXPECT_EQ(frame.titles,
            "ID   FD  ROLE        SERVICE  LISTENER  ADDRESS                ACCEPTS  EVENTS    EV/S"
            "  RX-BYTES    RX/S  TX-BYTES    TX/S");
  EXPECT_THAT(
      frame.rows,
      ElementsAre(" 2  102  CONNECTION  echo     web       tcp://127.0.0.1:40002        0   20000"
                  "   10.0k       999     500         0       0",
                  " 3  103  CONNECTION  echo     web       tcp://127.0.0.1:40003        0       3"
                  "     1.5         0       0         0       0",
                  " 1  101  CONNECTION  echo     web       tcp://127.0.0.1:40001        0       5"
                  "       0         0       0         0       0"));
}

TEST(DrawFrameTest, FirstSampleHasNoRates) {
  SocketSamples samples;
  ASSERT_TRUE(samples.Add(WatchMessage().At(0).Socket(1, 5).Sync()).ok());
  const WatchFrame frame = DrawFrame(samples, FrameSize());
  EXPECT_EQ(frame.summary[1], "events 5   rx-bytes 0   tx-bytes 0");
  EXPECT_THAT(frame.rows[0], EndsWith("5       -         0       -         0       -"));
}

TEST(DrawFrameTest, RowsThatDoNotFitAreCounted) {
  const WatchFrame frame = DrawFrame(TwoSamples(), {.columns = 200, .lines = 5});
  ASSERT_EQ(frame.rows.size(), 2u) << "two lines of summary and the titles take three";
  EXPECT_THAT(frame.rows[0], StartsWith(" 2 "));
  EXPECT_EQ(frame.rows[1], "... and 2 more");
}

TEST(DrawFrameTest, ExactFitNeedsNoMore) {
  const WatchFrame frame = DrawFrame(TwoSamples(), {.columns = 200, .lines = 6});
  EXPECT_EQ(frame.rows.size(), 3u);
  EXPECT_THAT(frame.rows[2], Not(HasSubstr("more")));
}

TEST(DrawFrameTest, TinyTerminalDoesNotBreakIt) {
  for (size_t lines = 0; lines < 5; ++lines) {
    const WatchFrame frame = DrawFrame(TwoSamples(), {.columns = 1, .lines = lines});
    EXPECT_EQ(DisplayWidth(frame.titles), 1u);
    EXPECT_LE(frame.summary.size() + frame.rows.size() + 1, std::max<size_t>(lines, 2));
  }
}

SocketSamples LongNumbersAndAddresses() {
  SocketSamples samples;
  const auto message = [](int64_t time, int64_t sum) {
    v1::WatchSocketsResponse out =
        WatchMessage().At(time).Socket(1234567, sum, 3 * sum).Socket(7654321, 2 * sum, sum).Sync();
    for (v1::Socket& socket : *out.mutable_sockets()) {
      socket.set_remote_address("tcp://[2001:db8:1234:5678:9abc:def0:1234:5678]:40001");
      socket.mutable_counters()->set_transmit_bytes(123456789012345 + sum);
    }
    return out;
  };
  EXPECT_TRUE(samples.Add(message(0, 98765432109)).ok());
  EXPECT_TRUE(samples.Add(message(2, 98765498765)).ok());
  return samples;
}

std::set<std::string> WordsOf(const WatchFrame& frame) {
  std::set<std::string> words;
  for (const auto& lines : {frame.summary, frame.rows}) {
    for (const std::string& line : lines) {
      for (const auto word : absl::StrSplit(line, ' ', absl::SkipEmpty())) words.emplace(word);
    }
  }
  return words;
}

TEST(DrawFrameTest, NoWidthCutsANumber) {
  const SocketSamples samples = LongNumbersAndAddresses();
  std::set<std::string> whole = WordsOf(DrawFrame(samples, FrameSize(), absl::UTCTimeZone()));
  for (size_t columns = 7; columns < 200; ++columns) {
    const FrameSize size = {.columns = columns, .lines = 24};
    const WatchFrame frame = DrawFrame(samples, size, absl::UTCTimeZone());
    ASSERT_EQ(frame.rows.size(), 2u) << columns;
    for (const std::string& word : WordsOf(frame)) {
      EXPECT_TRUE(whole.count(word) > 0 || absl::StrContains(word, "\u2026")) << columns << word;
    }
    for (const std::string& row : frame.rows) EXPECT_LE(DisplayWidth(row), columns) << row;
    for (const std::string& line : frame.summary) EXPECT_LE(DisplayWidth(line), columns) << line;
  }
}

TEST(DrawFrameTest, AddressIsShortenedBeforeAColumnGoes) {
  const WatchFrame frame = DrawFrame(LongNumbersAndAddresses(), {.columns = 150, .lines = 24});
  EXPECT_THAT(frame.titles, HasSubstr("FD"));
  EXPECT_THAT(frame.rows[0], HasSubstr("\u2026"));
  EXPECT_THAT(frame.rows[0], HasSubstr(":40001 ")) << "the port is what tells them apart";
}

TEST(DrawFrameTest, NarrowSummaryGoesOnInFurtherLines) {
  const WatchFrame frame =
      DrawFrame(TwoSamples(), {.columns = 50, .lines = 24}, absl::UTCTimeZone());
  EXPECT_THAT(frame.summary,
              ElementsAre("sockhost 1970-01-01 00:00:02.0 UTC   sockets 3",
                          "sample 2   instance instance-a",
                          "events 20008 (10.0k/s)   rx-bytes 999 (500/s)", "tx-bytes 0 (0/s)"));
}

TEST(DrawFrameTest, ColumnsOfFieldsThatTheMaskLeavesOutAreNotShown) {
  google::protobuf::FieldMask mask;
  mask.add_paths("fd");
  mask.add_paths("counters.receive_bytes");
  const WatchFrame frame = DrawFrame(TwoSamples(), FrameSize(), absl::UTCTimeZone(), mask);
  EXPECT_EQ(frame.titles, "ID   FD  RX-BYTES    RX/S");
  EXPECT_EQ(frame.summary[1], "rx-bytes 999 (500/s)");
  mask.add_paths("counters");
  EXPECT_THAT(DrawFrame(TwoSamples(), FrameSize(), absl::UTCTimeZone(), mask).titles,
              HasSubstr("TX/S"));
}

TEST(DrawFrameTest, NarrowTerminalKeepsCountersAndDropsWhatIsKnown) {
  const WatchFrame frame = DrawFrame(TwoSamples(), {.columns = 80, .lines = 24});
  EXPECT_THAT(frame.titles, Not(HasSubstr("FD")));
  EXPECT_THAT(frame.titles, HasSubstr("EVENTS"));
  EXPECT_THAT(frame.titles, HasSubstr("TX/S"));
  for (const std::string& row : frame.rows) EXPECT_LE(DisplayWidth(row), 80u) << row;
  for (const std::string& line : frame.summary) EXPECT_LE(DisplayWidth(line), 80u) << line;
}

TEST(DrawFrameTest, ListeningSocketShowsItsOwnAddress) {
  v1::WatchSocketsResponse message = WatchMessage().At(0).Socket(1).Sync();
  message.mutable_sockets(0)->clear_remote_address();
  message.mutable_sockets(0)->set_local_address("tcp://0.0.0.0:80");
  SocketSamples samples;
  ASSERT_TRUE(samples.Add(message).ok());
  EXPECT_THAT(DrawFrame(samples, FrameSize()).rows[0], HasSubstr("tcp://0.0.0.0:80"));
}

TEST(DrawFrameTest, MissedSamplesAreNamed) {
  v1::WatchSocketsResponse message = WatchMessage().At(0).Sync();
  message.mutable_lag()->set_coalesced(4);
  SocketSamples samples;
  ASSERT_TRUE(samples.Add(message).ok());
  EXPECT_THAT(DrawFrame(samples, FrameSize()).summary[0], HasSubstr("sample 1 (missed 4)"));
}

}  // namespace
}  // namespace sockhost::client
