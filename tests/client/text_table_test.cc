#include "client/text_table.h"

#include <gmock/gmock.h>

namespace sockhost::client {
namespace {

using testing::ElementsAre;

TEST(TextTableTest, ColumnsAreAligned) {
  TextTable table({{"NAME"}, {"COUNT", Align::kRight}, {"STATE"}});
  table.AddRow({"web", "7", "ACTIVE"});
  table.AddRow({"a-long-name", "1234567", "UP"});
  EXPECT_THAT(table.Lines(), ElementsAre("NAME           COUNT  STATE",   //
                                         "web                7  ACTIVE",  //
                                         "a-long-name  1234567  UP"));
  EXPECT_EQ(table.width(), 28u);
}

TEST(TextTableTest, EmptyTableHasTitlesOnly) {
  TextTable table({{"NAME"}, {"COUNT", Align::kRight}});
  EXPECT_EQ(table.Text(false), "NAME  COUNT\n");
  EXPECT_EQ(table.Text(true), "");
}

TEST(TextTableTest, EmptyCellIsDash) {
  TextTable table({{"A"}, {"B"}});
  table.AddRow({"", "x"});
  EXPECT_EQ(table.Text(true), "-  x\n");
}

TEST(TextTableTest, CellsCannotSteerTerminal) {
  TextTable table({{"A"}});
  table.AddRow({"x\033[2J\n"});
  EXPECT_EQ(table.Text(true), "x\\x1b[2J\\x0a\n");
}

TEST(TextTableTest, WidthCountsCharactersNotBytes) {
  TextTable table({{"A"}, {"B"}});
  table.AddRow({"\xc3\xbc\xc3\xbc", "x"});
  table.AddRow({"abc", "y"});
  EXPECT_THAT(table.Lines(), ElementsAre("A    B", "\xc3\xbc\xc3\xbc   x", "abc  y"));
}

TEST(TextTableTest, ShortenedColumnKeepsItsTitle) {
  TextTable table({{"A"}, {"LONG"}});
  table.AddRow({"1", "abcdefgh"});
  EXPECT_EQ(table.width_of("LONG"), 8u);
  EXPECT_EQ(table.width_of("no such title"), 0u);
  table.ShortenColumn("LONG", 6);
  EXPECT_THAT(table.Lines(), ElementsAre("A  LONG", "1  ab\u2026fgh"));
  table.ShortenColumn("LONG", 1);
  EXPECT_EQ(table.width(), 7u);
  EXPECT_THAT(table.Lines()[0], "A  LONG");
}

TEST(TextTableTest, RemovedColumnLeavesTheOthers) {
  TextTable table({{"A"}, {"B"}, {"C"}});
  table.AddRow({"1", "2", "3"});
  table.RemoveColumn("B");
  table.RemoveColumn("no such title");
  EXPECT_THAT(table.Lines(), ElementsAre("A  C", "1  3"));
}

}  // namespace
}  // namespace sockhost::client
