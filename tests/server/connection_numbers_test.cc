#include "server/connection_numbers.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <set>

#include "service_core/unique_fd.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using std::chrono::seconds;

class ConnectionNumbersTest : public testing::Test {
 protected:
  // The number of a connection that is opened and closed `now`.
  int UseOnce() {
    const UniqueFd number(numbers_.Duplicate(fd_.get(), now_, usable_));
    numbers_.Retire(number.get(), now_);
    return number.get();
  }

  const UniqueFd fd_ = EventFd(false);
  ConnectionNumbers numbers_;
  ConnectionNumbers::Time now_{seconds(1000)};
  ConnectionNumbers::Time usable_;
};

TEST_F(ConnectionNumbersTest, DuplicateIsTheSameFileAndClosedOnExec) {
  const UniqueFd number(numbers_.Duplicate(fd_.get(), now_, usable_));
  EXPECT_TRUE(number.valid());
  EXPECT_NE(fcntl(number.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(usable_, now_);
}

TEST_F(ConnectionNumbersTest, GoRound) {
  const FdLimit limit(1024);
  std::set<int> seen;
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(seen.insert(UseOnce()).second) << "after " << i;
    EXPECT_EQ(usable_, now_);
  }
}

TEST_F(ConnectionNumbersTest, OneThatComesBackRests) {
  const FdLimit limit(64);
  const int first = UseOnce();
  now_ += seconds(1);
  int rounds = 0;
  while (UseOnce() != first) ASSERT_LT(++rounds, 64);
  EXPECT_EQ(usable_, now_ - seconds(1) + ConnectionNumbers::kRest);
}

TEST_F(ConnectionNumbersTest, OneThatHasRestedIsUsableAtOnce) {
  const FdLimit limit(64);
  const int first = UseOnce();
  now_ += ConnectionNumbers::kRest;
  int rounds = 0;
  while (UseOnce() != first) ASSERT_LT(++rounds, 64);
  EXPECT_EQ(usable_, now_);
}

TEST_F(ConnectionNumbersTest, ShareTheTableOfFds) {
  const NoMoreFds full;
  EXPECT_EQ(numbers_.Duplicate(fd_.get(), now_, usable_), -1);
}

}  // namespace
}  // namespace sockhost
