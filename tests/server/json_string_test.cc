#include "server/json_string.h"

#include <gtest/gtest.h>

#include <string>

namespace sockhost {
namespace {

TEST(JsonStringTest, TextIsQuotedAsItIs) {
  EXPECT_EQ(JsonString(""), R"("")");
  EXPECT_EQ(JsonString("plain = text, 5/3"), R"("plain = text, 5/3")");
  EXPECT_EQ(JsonString("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

TEST(JsonStringTest, WhatJsonReservesIsEscaped) {
  EXPECT_EQ(JsonString(R"(a"b\c)"), R"("a\"b\\c")");
  EXPECT_EQ(JsonString(std::string("\0\t\n\r\x1B\x7F", 6)),
            R"("\u0000\u0009\u000a\u000d\u001b\u007f")");
}

TEST(JsonStringTest, WhatIsNoUtf8IsReplacedByteByByte) {
  const std::string kReplacement = "\xEF\xBF\xBD";
  for (const char* text : {
           "\x80",              // a continuation alone
           "\xFF",              // never a byte of UTF-8
           "\xC3",              // cut off
           "\xC0\xAF",          // overlong
           "\xE0\x80\x80",      // overlong
           "\xED\xA0\x80",      // a surrogate
           "\xF4\x90\x80\x80",  // above U+10FFFF
           "\xE2\x82",
       }) {
    std::string wanted;
    for (size_t i = 0; i < std::string(text).size(); ++i) wanted += kReplacement;
    EXPECT_EQ(JsonString(text), "\"" + wanted + "\"");
  }
  EXPECT_EQ(JsonString("a\xC3(b"), "\"a" + kReplacement + "(b\"");
}

}  // namespace
}  // namespace sockhost
