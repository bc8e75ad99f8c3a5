#include "server/nearest_word.h"

#include <gtest/gtest.h>

namespace sockhost {
namespace {

TEST(NearestWordTest, FindsWhatWasMeant) {
  EXPECT_EQ(NearestWord("listner", {"socket", "listener"}), "listener");
  EXPECT_EQ(NearestWord("gte", {"list", "get"}), "");
  EXPECT_EQ(NearestWord("ge", {"list", "get"}), "get");
  EXPECT_EQ(NearestWord("frobnicate", {"socket", "listener"}), "");
  EXPECT_EQ(NearestWord("sockets", {"max-sockets", "socket"}), "socket");
  EXPECT_EQ(NearestWord("x", {}), "");
}

TEST(NearestWordTest, IgnoresWhatNobodyTypes) {
  EXPECT_EQ(NearestWord(std::string(129, 'x'), {std::string(129, 'x')}), "");
}

}  // namespace
}  // namespace sockhost
