// How often a listener looks at an address, and asks who has it.
#include "service_core/open_retry.h"

#include <gmock/gmock.h>

#include <vector>

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Lt;
using testing::SizeIs;

constexpr FileIdentity kServer{1, 2, 3};

// The seconds at which an attempt is made within `limit`, each of which finds the same file.
std::vector<double> AttemptsWithin(absl::Duration limit, const FileIdentity& taken) {
  OpenRetry retry;
  std::vector<double> attempts{0};
  retry.NoteFailure(taken);
  absl::Duration now;
  while ((now += retry.NextDelay()) <= limit) {
    if (!retry.IsDue(taken)) continue;
    attempts.push_back(absl::ToDoubleSeconds(now));
    retry.NoteFailure(taken);
  }
  return attempts;
}

TEST(OpenRetryTest, ServerThatStaysIsAskedLessAndLessOften) {
  EXPECT_THAT(AttemptsWithin(absl::Seconds(70), kServer), SizeIs(7));
  const std::vector<double> hour = AttemptsWithin(absl::Hours(1), kServer);
  EXPECT_THAT(hour, SizeIs(Lt(68u)));
  EXPECT_GE(hour.back() - hour.end()[-2], 60);
}

TEST(OpenRetryTest, AddressThatNobodyIsAskedForIsTriedEverySecond) {
  EXPECT_THAT(AttemptsWithin(absl::Milliseconds(3600), {}),
              ElementsAre(0, 0.05, 0.15, 0.35, 0.75, 1.55, 2.55, 3.55));
}

TEST(OpenRetryTest, FreePathAndOtherFileAreSeenAtTheNextLook) {
  OpenRetry retry;
  // Long enough for the longest pause.
  for (int i = 0; i < 10; ++i) retry.NoteFailure(kServer);
  EXPECT_LE(retry.NextDelay(), absl::Seconds(1));
  EXPECT_FALSE(retry.IsDue(kServer));
  EXPECT_TRUE(retry.IsDue({}));
  EXPECT_TRUE(retry.IsDue({1, 7, 3}));
  // The inode of the one that went can be given out again.
  EXPECT_TRUE(retry.IsDue({1, 2, 4}));
}

TEST(OpenRetryTest, OtherServerIsAskedSoonAgain) {
  OpenRetry retry;
  for (int i = 0; i < 10; ++i) retry.NoteFailure(kServer);
  constexpr FileIdentity kOther{1, 7, 3};
  retry.NoteFailure(kOther);
  absl::Duration waited;
  while (!retry.IsDue(kOther) && waited < absl::Hours(1)) waited += retry.NextDelay();
  EXPECT_LT(waited, absl::Seconds(2));
}

TEST(OpenRetryTest, RestartForgetsWhatWasSeen) {
  OpenRetry retry;
  EXPECT_TRUE(retry.is_first());
  retry.NoteFailure(kServer);
  retry.NextDelay();
  EXPECT_FALSE(retry.is_first());
  retry.Restart();
  EXPECT_TRUE(retry.is_first());
  EXPECT_TRUE(retry.IsDue(kServer));
}

}  // namespace
}  // namespace sockhost
