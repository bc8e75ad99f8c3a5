#include "server/page.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "sockhost/error.h"

namespace sockhost {
namespace {

using Key = std::vector<std::string>;

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

TEST(PageTest, FirstPageFollowsNothing) { EXPECT_EQ(ParsePage("listeners", 0, "")->after, Key()); }

TEST(PageTest, TokenLeadsBehindItsKey) {
  // The name, behind eight texts that are as long as a path.
  const std::string longest(4096, 'a');
  for (const Key& key : {Key{"web"}, Key{""}, Key{"", "12"}, Key{std::string("a\0/\xff", 4), "b"},
                         Key(9, longest)}) {
    const auto page = ParsePage("listeners", 7, NextPageToken("listeners", key));
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->after, key);
    EXPECT_EQ(page->size, 7u);
  }
}

TEST(PageTest, TokenIsFitForAUrl) {
  EXPECT_EQ(NextPageToken("listeners", {"a?>?>~~~"}).find_first_of("+/="), std::string::npos);
}

// A token is kept by scripts while the daemon is restarted.
TEST(PageTest, TokenIsTheSameInEveryProcess) {
  EXPECT_EQ(NextPageToken("listeners", {"web"}), "YzU4N2RkNWM2YTA0OWYwNgADd2Vi");
}

TEST(PageTest, TokenOfAnotherCallIsRefused) {
  EXPECT_EQ(ReasonOf(ParsePage("sockets", 0, NextPageToken("listeners", {"web"})).status()),
            "PAGE_TOKEN_INVALID page_token");
}

TEST(PageTest, TokenThatIsNotOursIsRefused) {
  const std::string token = NextPageToken("listeners", {"web"});
  for (const std::string& bad :
       {std::string("x"), std::string("===="), std::string("\0", 1), std::string("\xff"),
        std::string(100'000, 'x'), NextPageToken("listeners", {}), std::string("listeners/web"),
        token.substr(0, token.size() - 4), token + "AAAA", "AAAA" + token}) {
    const absl::Status status = ParsePage("listeners", 0, bad).status();
    EXPECT_EQ(ReasonOf(status), "PAGE_TOKEN_INVALID page_token") << bad.substr(0, 40);
    EXPECT_LT(status.message().size(), 1000u);
  }
}

}  // namespace
}  // namespace sockhost
