#include "server/page.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "sockhost/error.h"

namespace sockhost {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail ? std::string(ReasonName(detail->reason)) + " " + detail->field : "none";
}

TEST(PageTest, SizeHasADefaultAndAMaximum) {
  EXPECT_EQ(ParsePage("listeners", 0, "")->size, 1000u);
  EXPECT_EQ(ParsePage("listeners", 1, "")->size, 1u);
  EXPECT_EQ(ParsePage("listeners", 10000, "")->size, 10000u);
  EXPECT_EQ(ParsePage("listeners", 10001, "")->size, 10000u);
  EXPECT_EQ(ParsePage("listeners", std::numeric_limits<int32_t>::max(), "")->size, 10000u);
}

TEST(PageTest, NegativeSizeIsRefused) {
  for (const int32_t size : {-1, std::numeric_limits<int32_t>::min()}) {
    EXPECT_EQ(ReasonOf(ParsePage("listeners", size, "").status()), "PAGE_SIZE_INVALID page_size");
  }
}

TEST(PageTest, FirstPageFollowsNothing) { EXPECT_EQ(ParsePage("listeners", 0, "")->after, ""); }

TEST(PageTest, TokenLeadsBehindItsKey) {
  const std::string longest(63, 'a');
  for (const std::string& key : {std::string("web"), std::string("12"), longest}) {
    EXPECT_EQ(ParsePage("listeners", 0, NextPageToken("listeners", key))->after, key);
  }
}

TEST(PageTest, TokenIsFitForAUrl) {
  EXPECT_EQ(NextPageToken("listeners", "a?>?>~~~").find_first_of("+/="), std::string::npos);
}

TEST(PageTest, TokenOfAnotherCollectionIsRefused) {
  EXPECT_EQ(ReasonOf(ParsePage("sockets", 0, NextPageToken("listeners", "web")).status()),
            "PAGE_TOKEN_INVALID page_token");
}

TEST(PageTest, TokenThatIsNotOursIsRefused) {
  for (const std::string& token :
       {std::string("x"), std::string("===="), std::string("\0", 1), std::string("\xff"),
        std::string(100'000, 'x'), NextPageToken("listeners", ""), std::string("listeners/web")}) {
    const absl::Status status = ParsePage("listeners", 0, token).status();
    EXPECT_EQ(ReasonOf(status), "PAGE_TOKEN_INVALID page_token") << token.substr(0, 40);
    EXPECT_LT(status.message().size(), 1000u);
  }
}

}  // namespace
}  // namespace sockhost
