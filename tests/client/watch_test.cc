// sockctl watch against a fake admin API: formats, ends, signals, terminals.
#include <gmock/gmock.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "tests/client/fake_admin.h"
#include "tests/client/sockctl_process.h"
#include "tests/client/watch_message.h"

namespace sockhost::client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using Stdout = SockctlProcess::Stdout;

// The end of a watch on a terminal: wipes an echoed ^C, leaves the picture.
constexpr char kWipeLine[] = "\r\033[K";

class WatchTest : public testing::Test {
 protected:
  // Three samples; the stream stays open behind them.
  WatchTest() {
    fake_.answers.watch_messages = {WatchMessage().At(1).Socket(1).Socket(2).Sync(),
                                    WatchMessage().At(2).Socket(1, 10).Removed(2),
                                    WatchMessage().At(3).Socket(1, 30)};
  }

  std::vector<std::string> Watch(const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> words = {"watch", "--host", fake_.unix_address()};
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }

  FakeAdmin fake_;
};

TEST_F(WatchTest, FlagsReachTheDaemon) {
  RunSockctl(Watch({"--count", "1", "--filter", "fd > 3", "--interval", "250ms", "--suppress"}));
  EXPECT_EQ(fake_.requests.watch_sockets.filter(), "fd > 3");
  EXPECT_EQ(fake_.requests.watch_sockets.sample_interval().nanos(), 250'000'000);
  EXPECT_TRUE(fake_.requests.watch_sockets.suppress_redundant());
  EXPECT_NE(fake_.requests.watch_sockets.mode(), v1::WatchSocketsRequest::ONCE);
}

TEST_F(WatchTest, AsksForASampleASecondIfNotTold) {
  RunSockctl(Watch({"--count", "1"}));
  EXPECT_EQ(fake_.requests.watch_sockets.sample_interval().seconds(), 1);
  EXPECT_FALSE(fake_.requests.watch_sockets.has_heartbeat_interval());
}

TEST_F(WatchTest, PictureOfChangesGetsHeartbeatsToo) {
  RunSockctl(Watch({"--count", "1", "--on-change"}));
  EXPECT_EQ(fake_.requests.watch_sockets.trigger(), v1::WatchSocketsRequest::ON_CHANGE);
  EXPECT_FALSE(fake_.requests.watch_sockets.has_sample_interval());
  EXPECT_EQ(fake_.requests.watch_sockets.heartbeat_interval().seconds(), 1);
}

TEST_F(WatchTest, WhoCountsSamplesHearsOfThoseWithoutChange) {
  fake_.answers.watch_end = grpc::Status::OK;
  RunSockctl(Watch({"--on-change", "-o", "json"}));
  EXPECT_FALSE(fake_.requests.watch_sockets.has_heartbeat_interval());
  for (const char* flag : {"--on-change", "--suppress"}) {
    RunSockctl(Watch({"--count", "1", flag, "-o", "json"}));
    EXPECT_EQ(fake_.requests.watch_sockets.heartbeat_interval().seconds(), 1) << flag;
  }
}

TEST_F(WatchTest, WhatTheMaskLeavesOutIsNoZero) {
  const Finished json = RunSockctl(Watch({"--count", "1", "-o", "json", "--fields", "fd"}));
  EXPECT_THAT(json.output, HasSubstr("\"sockets\":[{\"name\":\"sockets/1\",\"fd\":101},{\"name\""))
      << json.errors;
  const Finished table = RunSockctl(Watch({"--count", "1", "--fields", "fd"}));
  EXPECT_THAT(table.output, HasSubstr("\nID   FD\n")) << table.errors;
}

TEST_F(WatchTest, BlocksFollowEachOtherInPipe) {
  const Finished watched = RunSockctl(Watch({"--count", "2"}), {{"TZ", "UTC"}});
  EXPECT_EQ(watched.exit_code, 0) << watched.errors;
  const std::vector<std::string> lines = absl::StrSplit(watched.output, '\n');
  ASSERT_THAT(lines, SizeIs(11)) << watched.output;
  EXPECT_THAT(lines[0], StartsWith("sockhost 1970-01-01 00:00:01.0 UTC   sockets 2   sample 1"));
  EXPECT_THAT(lines[2], StartsWith("ID   FD  ROLE"));
  EXPECT_THAT(lines[4], StartsWith(" 2  102"));
  EXPECT_EQ(lines[5], "");
  EXPECT_THAT(lines[6], StartsWith("sockhost 1970-01-01 00:00:02.0 UTC   sockets 1   sample 2"));
  EXPECT_EQ(lines[9].find("\033"), std::string::npos);
}

TEST_F(WatchTest, CountEndsIt) {
  const Finished watched = RunSockctl(Watch({"--count", "3", "--no-headers"}));
  EXPECT_EQ(watched.exit_code, 0) << watched.errors;
  EXPECT_THAT(watched.output, Not(HasSubstr("FD")));
  EXPECT_THAT(watched.output, HasSubstr(" 30 "));
}

TEST_F(WatchTest, OnceEndsWithTheStream) {
  fake_.answers.watch_messages.resize(1);
  fake_.answers.watch_end = grpc::Status::OK;
  const Finished watched = RunSockctl(Watch({"--once"}));
  EXPECT_EQ(watched.exit_code, 0) << watched.errors;
  EXPECT_EQ(fake_.requests.watch_sockets.mode(), v1::WatchSocketsRequest::ONCE);
  EXPECT_THAT(watched.output, HasSubstr("sockets 2"));
}

TEST_F(WatchTest, JsonIsOneObjectPerLine) {
  const Finished watched = RunSockctl(Watch({"--count", "3", "-o", "json"}));
  EXPECT_EQ(watched.exit_code, 0) << watched.errors;
  const std::vector<std::string> lines = absl::StrSplit(watched.output, '\n', absl::SkipEmpty());
  ASSERT_THAT(lines, SizeIs(3));
  for (const std::string& line : lines) {
    EXPECT_THAT(line, StartsWith("{\"instanceId\":\"instance-a\""));
    EXPECT_THAT(line, EndsWith("}"));
    EXPECT_THAT(line, HasSubstr("\"pollInEvents\":\"0\""));
  }
  EXPECT_THAT(lines[1], HasSubstr("\"removed\":[\"sockets/2\"]"));
}

TEST_F(WatchTest, JsonLineIsSeenAtOnce) {
  SockctlProcess watch(Watch({"-o", "json"}));
  watch.WaitForOutput("\"handlerCalls\":\"30\"");  // while the stream is still open
  watch.Signal(SIGTERM);
  EXPECT_EQ(watch.Wait().exit_code, 0);
}

TEST_F(WatchTest, NamesOfEachMessage) {
  EXPECT_EQ(RunSockctl(Watch({"--count", "3", "-o", "name"})).output,
            "sockets/1\nsockets/2\nsockets/1\nsockets/1\n");
}

TEST_F(WatchTest, InterruptIsSuccess) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    SockctlProcess watch(Watch());
    watch.WaitForOutput("sample 3");
    watch.Signal(signal);
    const Finished ended = watch.Wait();
    EXPECT_EQ(ended.exit_code, 0) << "signal " << signal;
    EXPECT_EQ(ended.errors, "");
  }
}

TEST_F(WatchTest, InterruptNeedsNoReader) {
  WatchMessage large;
  for (int id = 1; id <= 2000; ++id) large.Socket(id);
  fake_.answers.watch_messages = {large.Sync()};
  for (const char* format : {"json", "table"}) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      SockctlProcess watch(Watch({"-o", format}));
      watch.StopReading();
      watch.Signal(signal);
      const Finished ended = watch.Wait();
      EXPECT_EQ(ended.exit_code, 0) << "signal " << signal;
      EXPECT_EQ(ended.errors, "");
    }
  }
}

TEST_F(WatchTest, ReaderThatGoesEndsItQuietly) {
  SockctlProcess watch(Watch());
  watch.WaitForOutput("sample 3");
  watch.CloseOutput();
  const Finished ended = watch.Wait();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.errors, "");
}

TEST_F(WatchTest, ReaderThatIsGoneEndsUnaryCallQuietly) {
  SockctlProcess list({"listener", "list", "--host", fake_.unix_address()});
  list.CloseOutput();
  const Finished ended = list.Wait();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.errors, "");
}

TEST_F(WatchTest, TerminalIsRepaintedInPlace) {
  SockctlProcess watch(Watch({"--count", "3"}), Stdout::kTerminal);
  const Finished watched = watch.Wait();
  EXPECT_EQ(watched.exit_code, 0) << watched.errors;
  EXPECT_THAT(watched.output, StartsWith("sockhost ")) << "begins where the cursor is";
  EXPECT_THAT(watched.output, HasSubstr("\r\033[5A")) << "back over 5 lines of the first sample";
  EXPECT_THAT(watched.output, HasSubstr("\r\033[4A")) << "back over 4 lines of the second";
  EXPECT_THAT(watched.output, EndsWith(kWipeLine));
}

TEST_F(WatchTest, InterruptLeavesThePicture) {
  SockctlProcess watch(Watch(), Stdout::kTerminal);
  watch.WaitForOutput("sample 3");
  watch.Signal(SIGINT);
  const Finished ended = watch.Wait();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.output, EndsWith(kWipeLine));
}

TEST_F(WatchTest, TallSampleIsCutToTheTerminal) {
  WatchMessage tall;
  for (int i = 0; i < 100; ++i) tall.Socket(i);
  fake_.answers.watch_messages = {tall.At(1).Sync()};
  SockctlProcess watch(Watch({"--count", "1"}), Stdout::kTerminal);
  const Finished watched = watch.Wait();
  EXPECT_THAT(watched.output, HasSubstr("... and 95 more")) << watched.output;
}

TEST_F(WatchTest, DumbTerminalGetsBlocks) {
  SockctlProcess watch(Watch({"--count", "3"}), Stdout::kTerminal, {{"TERM", "dumb"}});
  EXPECT_THAT(watch.Wait().output, Not(HasSubstr("\033")));
}

TEST_F(WatchTest, ErrorAtStartIsReported) {
  fake_.answers.watch_messages.clear();
  fake_.answers.watch_end =
      DaemonError(grpc::StatusCode::INVALID_ARGUMENT, "invalid filter: x", "FILTER_INVALID");
  const Finished watched = RunSockctl(Watch());
  EXPECT_EQ(watched.exit_code, 64 + 3);
  EXPECT_THAT(watched.errors,
              StartsWith("sockctl: cannot watch sockets: invalid filter: x (FILTER_INVALID)\n"));
}

TEST_F(WatchTest, ErrorAtTheEndIsReportedBelowThePicture) {
  fake_.answers.watch_end =
      DaemonError(grpc::StatusCode::UNAVAILABLE, "the host stops", "SHUTTING_DOWN");
  SockctlProcess watch(Watch(), Stdout::kTerminal);
  const Finished watched = watch.Wait();
  EXPECT_EQ(watched.exit_code, 64 + 14);
  EXPECT_THAT(watched.output, EndsWith(kWipeLine));
  EXPECT_THAT(watched.errors,
              StartsWith("sockctl: the watch broke: the host stops (SHUTTING_DOWN)\n"));
}

TEST_F(WatchTest, StreamThatEndsEarlyIsError) {
  fake_.answers.watch_end = grpc::Status::OK;
  const Finished watched = RunSockctl(Watch());
  EXPECT_EQ(watched.exit_code, 1);
  EXPECT_THAT(watched.errors, HasSubstr("the daemon ended the stream early"));
}

TEST_F(WatchTest, OnceWithoutSampleIsError) {
  fake_.answers.watch_messages.clear();
  fake_.answers.watch_end = grpc::Status::OK;
  EXPECT_EQ(RunSockctl(Watch({"--once"})).exit_code, 1);
}

TEST_F(WatchTest, LostConnectionIsReported) {
  SockctlProcess watch(Watch());
  watch.WaitForOutput("sample 3");
  fake_.Stop();
  const Finished watched = watch.Wait();
  EXPECT_THAT(watched.errors, StartsWith("sockctl: the watch broke: "));
  EXPECT_GE(watched.exit_code, 64);
}

TEST_F(WatchTest, OtherInstanceIsReported) {
  fake_.answers.watch_messages.push_back(WatchMessage("instance-b").At(4));
  const Finished watched = RunSockctl(Watch());
  EXPECT_EQ(watched.exit_code, 1);
  EXPECT_THAT(watched.errors, HasSubstr("the daemon was restarted: instance instance-a became "));
}

TEST_F(WatchTest, SilentDaemonIsGivenUpAfterTimeout) {
  fake_.answers.watch_messages.clear();
  const Finished watched = RunSockctl(Watch({"--timeout", "200ms"}));
  EXPECT_EQ(watched.exit_code, 64 + 4);
  EXPECT_THAT(watched.errors,
              HasSubstr("no answer from " + fake_.unix_address() + " within 200ms"));
}

}  // namespace
}  // namespace sockhost::client
