#include "service_core/accept_budget.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sockhost {
namespace {

constexpr int kMost = 16;

// One wake-up that finds `queued` connections. Returns how many were taken.
int Turn(AcceptBudget& budget, int queued, int most = kMost) {
  const int taken = std::min(budget.Next(most), queued);
  budget.Note(taken);
  return taken;
}

// How many calls of accept(2) find nothing in `turns` wake-ups with one connection each.
int CallsInVain(AcceptBudget& budget, int turns) {
  int in_vain = 0;
  for (int i = 0; i < turns; ++i) in_vain += budget.Next(kMost) > Turn(budget, 1) ? 1 : 0;
  return in_vain;
}

TEST(AcceptBudgetTest, BeginsWithOne) {
  AcceptBudget budget;
  EXPECT_EQ(Turn(budget, 100), 1);
}

TEST(AcceptBudgetTest, ReachesTheMostWhereTheQueueIsLong) {
  AcceptBudget budget;
  int turns = 0;
  while (Turn(budget, 100) < kMost) ASSERT_LT(++turns, 100);
  EXPECT_EQ(turns, 4 * AcceptBudget::kFewestFullTurns) << "1, 2, 4 and 8 before it";
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Turn(budget, 100), kMost);
}

TEST(AcceptBudgetTest, FollowsAShorterQueueAtOnce) {
  AcceptBudget budget;
  while (Turn(budget, 100) < kMost) continue;
  EXPECT_EQ(Turn(budget, 3), 3);
  EXPECT_EQ(budget.Next(kMost), 3);
  EXPECT_EQ(Turn(budget, 0), 0);
  EXPECT_EQ(budget.Next(kMost), 1);
}

TEST(AcceptBudgetTest, TriesForMoreEverMoreSeldomWhereThereIsNone) {
  AcceptBudget budget;
  EXPECT_GT(CallsInVain(budget, 2 * AcceptBudget::kFewestFullTurns), 0);
  CallsInVain(budget, 1000);
  const int turns = 100 * (AcceptBudget::kMostFullTurns + 1);
  EXPECT_EQ(CallsInVain(budget, turns), 100);
}

TEST(AcceptBudgetTest, TriesSoonAgainAfterMoreWasFound) {
  AcceptBudget budget;
  CallsInVain(budget, 1000);
  int turns = 0;
  while (Turn(budget, 2) < 2) ASSERT_LT(++turns, 2 * AcceptBudget::kMostFullTurns);
  for (int i = 0; i < AcceptBudget::kFewestFullTurns; ++i) Turn(budget, 4);
  EXPECT_EQ(budget.Next(kMost), 4);
}

TEST(AcceptBudgetTest, FollowsTheLimit) {
  AcceptBudget budget;
  while (Turn(budget, 100) < kMost) continue;
  EXPECT_EQ(Turn(budget, 100, 3), 3);
  EXPECT_EQ(Turn(budget, 100, 1), 1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Turn(budget, 100, 1), 1);
  while (Turn(budget, 100) < kMost) continue;
}

}  // namespace
}  // namespace sockhost
