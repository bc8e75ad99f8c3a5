#include "server/logging.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sockhost {
namespace {

TEST(JsonMembersTest, MessageAndFieldsWithTheirTypes) {
  EXPECT_EQ(JsonMembers("it happened", {}), R"("message":"it happened")");
  EXPECT_EQ(JsonMembers("it happened", {{LogField("listener", "web"), LogField("fd", 7)}}),
            R"("message":"it happened","listener":"web","fd":7)");
  EXPECT_EQ(JsonMembers("\"", {{LogField("error", "a\nb"), LogField("negative", -1)}}),
            R"("message":"\"","error":"a\u000ab","negative":-1)");
}

// In a process of its own: the log belongs to the process.
std::string Logged(const std::string& level, const std::string& format) {
  testing::internal::CaptureStderr();
  StartLogging(level, format);
  LogLine(LogLevel::kDebug, "a detail");
  LogLine(LogLevel::kInfo, "it happened", {{"listener", "web"}, {"text", "two words"}, {"fd", 7}});
  SetLogLevel("debug");
  LogLine(LogLevel::kDebug, "another detail");
  SetLogLevel("error");
  LogLine(LogLevel::kWarning, "a warning");
  LogLine(LogLevel::kError, "an error");
  StopLogging();
  return testing::internal::GetCapturedStderr();
}

constexpr char kTime[] = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z";

void ExpectMatch(const std::string& text, const std::string& pattern) {
  EXPECT_TRUE(testing::internal::RE::FullMatch(text, testing::internal::RE(pattern))) << text;
}

TEST(LoggingTest, TextHasTimeLevelMessageAndFields) {
  const std::string time = kTime;
  ExpectMatch(Logged("info", "text"),
              time + " info it happened listener=web text=\"two words\" fd=7\n" + time +
                  " debug another detail\n" + time + " error an error\n");
}

TEST(LoggingTest, JsonHasOneObjectForEachLine) {
  const std::string time = std::string("\\{\"time\":\"") + kTime + "\",\"level\":\"";
  ExpectMatch(Logged("info", "json"),
              time +
                  "info\",\"message\":\"it happened\",\"listener\":\"web\",\"text\":\"two words\","
                  "\"fd\":7\\}\n" +
                  time + "debug\",\"message\":\"another detail\"\\}\n" + time +
                  "error\",\"message\":\"an error\"\\}\n");
}

// What systemd sets for a service whose standard error is the journal.
class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    testing::internal::CaptureStderr();
    struct stat status {};
    EXPECT_EQ(fstat(STDERR_FILENO, &status), 0);
    setenv("JOURNAL_STREAM", absl::StrCat(status.st_dev, ":", status.st_ino).c_str(), 1);
  }
  ~JournalTest() override { unsetenv("JOURNAL_STREAM"); }

  static std::string Lines(const std::string& format) {
    StartLogging("debug", format);
    LogLine(LogLevel::kDebug, "a detail");
    LogLine(LogLevel::kInfo, "it happened", {{"fd", 7}});
    LogLine(LogLevel::kWarning, "a warning");
    LogLine(LogLevel::kError, "an error");
    StopLogging();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(JournalTest, TextBeginsWithThePriorityAndLeavesTheTimeToTheJournal) {
  EXPECT_EQ(Lines("text"), "<7>a detail\n<6>it happened fd=7\n<4>a warning\n<3>an error\n");
}

TEST_F(JournalTest, JsonBeginsWithThePriority) {
  const std::string lines = Lines("json");
  EXPECT_EQ(lines.find("<7>{\"time\":"), 0u) << lines;
  EXPECT_NE(lines.find("\n<3>{\"time\":"), std::string::npos) << lines;
}

TEST_F(JournalTest, AnotherFileIsNotTheJournal) {
  setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_EQ(Lines("text").find('<'), std::string::npos);
}

TEST(LoggingTest, AfterTheEndLinesAreLost) {
  testing::internal::CaptureStderr();
  StartLogging("debug", "text");
  StopLogging();
  LogLine(LogLevel::kError, "too late");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace sockhost
