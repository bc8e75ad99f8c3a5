#include "client/nearest_word.h"

#include <gtest/gtest.h>

namespace sockhost::client {
namespace {

TEST(EditDistanceTest, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("listner", "listener"), 1u);
}

TEST(NearestWordTest, FindsWhatWasMeant) {
  EXPECT_EQ(NearestWord("listner", {"socket", "listener"}), "listener");
  EXPECT_EQ(NearestWord("gte", {"list", "get"}), "");
  EXPECT_EQ(NearestWord("ge", {"list", "get"}), "get");
  EXPECT_EQ(NearestWord("frobnicate", {"socket", "listener"}), "");
  EXPECT_EQ(NearestWord("x", {}), "");
}

}  // namespace
}  // namespace sockhost::client
