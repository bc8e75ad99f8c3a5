#include "service_core/log.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/core/log_lines.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

TEST(LogTextTest, FieldsFollowTheMessage) {
  EXPECT_EQ(LogText("it happened", {}), "it happened");
  EXPECT_EQ(LogText("it happened", {{LogField("listener", "web"), LogField("fd", 7)}}),
            "it happened listener=web fd=7");
  EXPECT_EQ(LogText("x", {{LogField("negative", -1), LogField("large", size_t{1} << 40)}}),
            "x negative=-1 large=1099511627776");
}

TEST(LogTextTest, OddTextsAreQuotedSoThatNothingIsForged) {
  EXPECT_EQ(LogText("x", {{LogField("a", "two words"), LogField("b", ""), LogField("c", "k=v")}}),
            "x a=\"two words\" b=\"\" c=\"k=v\"");
  EXPECT_EQ(LogText("x", {{LogField("a", "1\n2 error forged")}}), "x a=\"1\\n2 error forged\"");
  EXPECT_EQ(LogText("x", {{LogField("a", "say \"hi\"")}}), "x a=\"say \\\"hi\\\"\"");
  EXPECT_EQ(LogText("one\ntwo", {}), "one two");
}

TEST(LogTest, SinkGetsMessageAndFields) {
  const LogLines log;
  const std::string name = "web";
  Log(LogLevel::kInfo, "it happened", {{"listener", name}, {"fd", 7}});
  EXPECT_THAT(log.lines(), ElementsAre("it happened listener=web fd=7"));
}

TEST(LimitedLogTest, SecondLineOfASecondIsLeftOut) {
  const LogLines log;
  LimitedLog limited;
  limited.Log(LogLevel::kInfo, "again", {{"fd", 7}});
  limited.Log(LogLevel::kInfo, "again", {{"fd", 8}});
  EXPECT_THAT(log.lines(), ElementsAre("again fd=7"));
}

}  // namespace
}  // namespace sockhost
