#include <fcntl.h>
#include <unistd.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service_core/unique_fd.h"
#include "sockhost/log_sink.h"

LOG_MODULE_REGISTER(logged, LOG_LEVEL_INF);

namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;

using sockhost::LogLevel;

std::vector<std::pair<LogLevel, std::string>> lines;

class ApplicationLogTest : public testing::Test {
 protected:
  ApplicationLogTest() {
    lines.clear();
    sockhost::SetLogSink([](LogLevel level, absl::string_view message, sockhost::LogFields) {
      lines.emplace_back(level, std::string(message));
    });
  }
  ~ApplicationLogTest() override { sockhost::SetLogSink(nullptr); }
};

TEST_F(ApplicationLogTest, EveryLevelGoesToTheSinkWithTheModulesName) {
  LOG_ERR("error %d", 1);
  LOG_WRN("warning %s", "two");
  LOG_INF("info");
  EXPECT_THAT(lines, ElementsAre(Pair(LogLevel::kError, "logged: error 1"),
                                 Pair(LogLevel::kWarning, "logged: warning two"),
                                 Pair(LogLevel::kInfo, "logged: info")));
}

TEST_F(ApplicationLogTest, ArgumentsAboveTheModulesLevelAreNotEvaluated) {
  int evaluated = 0;
  LOG_DBG("debug %d", ++evaluated);
  EXPECT_THAT(lines, SizeIs(0));
  EXPECT_EQ(evaluated, 0);
}

TEST_F(ApplicationLogTest, DebugLevelLetsEverythingPass) {
  LOG_MODULE_DECLARE(other, LOG_LEVEL_DBG);
  LOG_DBG("debug");
  EXPECT_THAT(lines, ElementsAre(Pair(LogLevel::kDebug, "other: debug")));
}

TEST_F(ApplicationLogTest, LevelIsTheDefaultUnlessGiven) {
  LOG_MODULE_DECLARE(other);
  LOG_DBG("debug");
  LOG_INF("info");
  EXPECT_THAT(lines, ElementsAre(Pair(LogLevel::kInfo, "other: info")));
}

TEST_F(ApplicationLogTest, MessageStaysOneLine) {
  LOG_INF("one\ntwo\x1b[31m\n");
  EXPECT_THAT(lines, ElementsAre(Pair(LogLevel::kInfo, "logged: one two [31m")));
}

TEST_F(ApplicationLogTest, LongMessageIsCut) {
  LOG_INF("%s", std::string(5000, 'x').c_str());
  EXPECT_THAT(lines, ElementsAre(Pair(LogLevel::kInfo, "logged: " + std::string(1023, 'x'))));
}

TEST_F(ApplicationLogTest, HexdumpHasALineForEach16Bytes) {
  const std::string data = "0123456789abcdef\x01\xff";
  LOG_HEXDUMP_WRN(data.data(), data.size(), "data");
  LOG_HEXDUMP_DBG(data.data(), data.size(), "above the level");
  EXPECT_THAT(
      lines,
      ElementsAre(
          Pair(LogLevel::kWarning, "logged: data"),
          Pair(LogLevel::kWarning,
               "logged: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef"),
          Pair(LogLevel::kWarning, "logged: 01 ff                                           |..")));
}

TEST_F(ApplicationLogTest, RateLimitedMessageComesOnceASecond) {
  for (int i = 0; i < 3; ++i) LOG_WRN_RATELIMIT("again");
  EXPECT_THAT(lines, SizeIs(1));
}

// A destination that fails.
TEST_F(ApplicationLogTest, ErrnoIsTheProgramsBeforeAndAfter) {
  sockhost::SetLogSink([](LogLevel, absl::string_view, sockhost::LogFields) { errno = EPIPE; });
  errno = EADDRINUSE;
  LOG_ERR("bind: %d", -errno);
  EXPECT_EQ(errno, EADDRINUSE);
  LOG_HEXDUMP_WRN("data", 4, "data");
  EXPECT_EQ(errno, EADDRINUSE);
}

TEST(PrintkTest, KeepsErrnoWhenStandardOutputIsFull) {
  const sockhost::UniqueFd standard_output(dup(STDOUT_FILENO));
  const sockhost::UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_NE(dup2(full.get(), STDOUT_FILENO), -1);
  errno = EADDRINUSE;
  printk("bind: %d\n", -errno);
  const int error = errno;
  dup2(standard_output.get(), STDOUT_FILENO);
  std::clearerr(stdout);
  EXPECT_EQ(error, EADDRINUSE);
}

TEST(ApplicationLogDeathTest, PanicAborts) {
  EXPECT_DEATH(sockhost_panic("k_panic", "file.c", 7), "k_panic: called at file.c:7");
  EXPECT_DEATH(sockhost_assert_failed("a == b", "file.c", 7, " %d", 3),
               "assertion failed: a == b at file.c:7 3");
}

}  // namespace
