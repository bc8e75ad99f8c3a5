#include "client/display_text.h"

#include <gtest/gtest.h>

namespace sockhost::client {
namespace {

TEST(PrintableTest, TextStaysAsItIs) {
  EXPECT_EQ(Printable("tcp://127.0.0.1:7 \"quoted\" \\"), "tcp://127.0.0.1:7 \"quoted\" \\");
  EXPECT_EQ(Printable("K\xc3\xbc\x63he \xe2\x82\xac \xf0\x9f\x90\x99"),
            "K\xc3\xbc\x63he \xe2\x82\xac \xf0\x9f\x90\x99");
}

TEST(PrintableTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Printable("a\033[31mb\n\t\x7f"), "a\\x1b[31mb\\x0a\\x09\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m")
      << "C1 control sequence introducer";
}

TEST(PrintableTest, InvalidBytesAreEscaped) {
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82") << "cut off";
}

TEST(IsUtf8Test, TellsValidFromInvalid) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\n\xc3\xbc"));
  EXPECT_TRUE(IsUtf8("\xf4\x8f\xbf\xbf"));
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(IsUtf8("a\xc3"));
  EXPECT_FALSE(IsUtf8("\x80"));
}

TEST(DisplayWidthTest, CountsCodePoints) {
  EXPECT_EQ(DisplayWidth(""), 0u);
  EXPECT_EQ(DisplayWidth("K\xc3\xbc"), 2u);
}

TEST(CutToWidthTest, NeverCutsInsideCodePoint) {
  EXPECT_EQ(CutToWidth("K\xc3\xbc\x63h", 2), "K\xc3\xbc");
  EXPECT_EQ(CutToWidth("abc", 9), "abc");
  EXPECT_EQ(CutToWidth("abc", 0), "");
}

TEST(ShortenedToTest, KeepsBothEnds) {
  EXPECT_EQ(ShortenedTo("tcp://127.0.0.1:40001", 16), "tcp://1\u2026.1:40001");
  EXPECT_EQ(ShortenedTo("K\u00fcche", 5), "K\u00fcche");
  EXPECT_EQ(ShortenedTo("K\u00fcche", 4), "K\u2026he");
  EXPECT_EQ(ShortenedTo("abc", 1), "\u2026");
  EXPECT_EQ(ShortenedTo("abc", 0), "");
}

TEST(AgeTextTest, ShowsTwoLargestUnits) {
  EXPECT_EQ(AgeText(absl::Seconds(-5)), "0s");
  EXPECT_EQ(AgeText(absl::Milliseconds(7900)), "7s");
  EXPECT_EQ(AgeText(absl::Seconds(192)), "3m12s");
  EXPECT_EQ(AgeText(absl::Minutes(245)), "4h5m");
  EXPECT_EQ(AgeText(absl::Hours(51)), "2d3h");
}

TEST(RateTextTest, KeepsAboutFourDigits) {
  EXPECT_EQ(RateText(0), "0");
  EXPECT_EQ(RateText(0.25), "0.2");
  EXPECT_EQ(RateText(9.94), "9.9");
  EXPECT_EQ(RateText(9.96), "10");
  EXPECT_EQ(RateText(9999.4), "9999");
  EXPECT_EQ(RateText(9999.6), "10.0k");
  EXPECT_EQ(RateText(999'949), "999.9k");
  EXPECT_EQ(RateText(999'951), "1.0M");
  EXPECT_EQ(RateText(2.5e9), "2.5G");
}

}  // namespace
}  // namespace sockhost::client
