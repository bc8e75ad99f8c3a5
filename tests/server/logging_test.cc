#include "server/logging.h"

#include <gtest/gtest.h>

#include <string>

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

TEST(LoggingTest, AfterTheEndLinesAreLost) {
  testing::internal::CaptureStderr();
  StartLogging("debug", "text");
  StopLogging();
  LogLine(LogLevel::kError, "too late");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace sockhost
