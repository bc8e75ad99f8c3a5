#include "server/fd_budget.h"

#include <gmock/gmock.h>

#include <string>

#include "sockhost/error.h"

namespace sockhost {
namespace {

using testing::HasSubstr;

TEST(FdBudgetTest, NothingIsGivenTwice) {
  int64_t smallest = 0;
  for (int64_t own : {15, 25, 200}) {
    for (int64_t limit = 1; limit < 5000; ++limit) {
      const auto budget = FdBudget::Divide(limit, own);
      if (!budget.ok()) continue;
      if (smallest == 0) smallest = limit;
      const auto connections = static_cast<int64_t>(budget->admin_connections);
      const auto sockets = static_cast<int64_t>(budget->sockets);
      ASSERT_LE(own + 2 * connections + sockets, limit) << limit;
      ASSERT_GE(sockets, FdBudget::kFewestSockets) << limit;
      ASSERT_GE(connections, 8) << limit;
    }
  }
  EXPECT_EQ(smallest, 15 + 16 + 8);
}

TEST(FdBudgetTest, LargeLimitsKeepAReserve) {
  const auto budget = FdBudget::Divide(20000, 30);
  ASSERT_TRUE(budget.ok());
  EXPECT_EQ(budget->admin_connections, 256u);
  EXPECT_EQ(budget->sockets, 20000u - 64 - 512);
}

TEST(FdBudgetTest, TooFewAreRefusedWithWhatIsNeeded) {
  for (const int64_t limit : {0, 16, 43}) {
    const absl::Status status = FdBudget::Divide(limit, 20).status();
    ASSERT_TRUE(DetailOf(status).has_value()) << limit;
    EXPECT_EQ(DetailOf(status)->reason, Reason::kFD_LIMIT);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("limit of open files is " + std::to_string(limit)));
    EXPECT_THAT(std::string(status.message()), HasSubstr("raise it to 44"));
  }
  EXPECT_TRUE(FdBudget::Divide(44, 20).ok());
}

}  // namespace
}  // namespace sockhost
