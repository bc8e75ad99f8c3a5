#include "server/signal_safe_line.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <string>

#include "sockhost/log_sink.h"

namespace sockhost {
namespace {

using testing::EndsWith;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr LogForm kText{false, false};
constexpr LogForm kJson{true, false};
constexpr char kTime[] =
    "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
    "\\.[0-9][0-9][0-9][0-9][0-9][0-9]Z";
constexpr char kOdd[] = "a \"b\"='\\\r\n\t\x01\x7f\xC3\xA4";

std::string Line(LogForm form) {
  SignalSafeLine line(form, "it happened");
  line.Add("service", "web");
  line.Add("odd", kOdd);
  line.Add("empty", "");
  line.Add("fd", 7);
  line.Add("least", std::numeric_limits<int64_t>::min());
  return std::string(line.Finish());
}

TEST(SignalSafeLineTest, TextIsAsOtherLinesOfTheLog) {
  EXPECT_THAT(Line(kText),
              MatchesRegex(std::string(kTime) + " error it happened service=web .*\n"));
  const std::string empty;
  EXPECT_THAT(
      Line(kText),
      EndsWith(" " +
               LogText("it happened", {{LogField("service", "web"), LogField("odd", kOdd),
                                        LogField("empty", empty), LogField("fd", 7),
                                        LogField("least", std::numeric_limits<int64_t>::min())}}) +
               "\n"));
}

TEST(SignalSafeLineTest, JsonIsAsOtherLinesOfTheLog) {
  EXPECT_THAT(Line(kJson), StartsWith("{\"time\":\""));
  EXPECT_THAT(Line(kJson),
              EndsWith("Z\",\"level\":\"error\"," +
                       JsonMembers("it happened",
                                   {{LogField("service", "web"), LogField("odd", kOdd),
                                     LogField("empty", ""), LogField("fd", 7),
                                     LogField("least", std::numeric_limits<int64_t>::min())}}) +
                       "}\n"));
}

TEST(SignalSafeLineTest, JournalGetsThePriorityFirst) {
  EXPECT_THAT(Line({false, true}), StartsWith("<3>it happened service=web "));
  EXPECT_THAT(Line({true, true}), StartsWith("<3>{\"time\":\""));
}

TEST(SignalSafeLineTest, WhatDoesNotFitIsLeftOutAndTheLineIsWhole) {
  for (const size_t size : {size_t{8000}, size_t{8140}, size_t{8192}, size_t{20000}}) {
    SignalSafeLine line(kJson, "it happened");
    line.Add("long", std::string(size, '\n'));
    for (int i = 0; i < 100; ++i) line.Add("fd", i);
    for (int i = 0; i < 100; ++i) line.Add("service", std::string(100, 'x'));
    const std::string text(line.Finish());
    EXPECT_LE(text.size(), size_t{8192});
    EXPECT_THAT(text, EndsWith("}\n"));
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    // Every text has both its ends.
    size_t quotes = 0;
    for (size_t i = 0; i < text.size(); ++i) quotes += text[i] == '"';
    EXPECT_EQ(quotes % 2, 0U) << text;
  }
}

TEST(SignalSafeLineTest, TextThatFitsIsCompleteBesideOthers) {
  SignalSafeLine line(kText, "it happened");
  line.Add("backtrace", std::string(4000, 'x') + " ");
  line.Add("last", 1);
  EXPECT_THAT(std::string(line.Finish()), EndsWith("x \" last=1\n"));
}

}  // namespace
}  // namespace sockhost
