#include "sockhost/fd_limit.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

rlimit CurrentLimit() {
  rlimit limit{};
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  return limit;
}

TEST(FdLimitTest, SoftLimitIsRaisedToTheHardOne) {
  const rlim_t hard = CurrentLimit().rlim_max;
  const rlim_t most = 1 << 20;
  const FdLimit low(64);
  EXPECT_EQ(RaiseFdLimit(), static_cast<int64_t>(std::min(hard, most)));
  EXPECT_EQ(CurrentLimit().rlim_cur, std::min(hard, most));
  EXPECT_EQ(CurrentLimit().rlim_max, hard);
}

TEST(FdLimitTest, RaisingTwiceChangesNothing) {
  const FdLimit low(64);
  const int64_t first = RaiseFdLimit();
  EXPECT_EQ(RaiseFdLimit(), first);
}

TEST(FdLimitTest, OpenFdsAreCounted) {
  const int64_t before = CountOpenFds();
  std::vector<UniqueFd> fds;
  for (int i = 0; i < 10; ++i) fds.push_back(EventFd(false));
  EXPECT_EQ(CountOpenFds(), before + 10);
  fds.clear();
  EXPECT_EQ(CountOpenFds(), before);
}

}  // namespace
}  // namespace sockhost
