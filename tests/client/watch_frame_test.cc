#include "client/watch_frame.h"

#include <gmock/gmock.h>

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
    EXPECT_LE(frame.rows.size(), 1u);
    EXPECT_EQ(frame.titles.size(), 1u);
  }
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
