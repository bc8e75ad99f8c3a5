#include "service_core/init_levels.h"

#include <zephyr/init.h>

#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>

#include "gtest/gtest.h"
#include "tests/compat/init_order.h"

namespace sockhost {
namespace {

// A function of SYS_INIT that a module would bring, until it goes.
class Announced {
 public:
  explicit Announced(int (*function)(), const char* name = "function",
                     sockhost_init_level level = SOCKHOST_INIT_APPLICATION)
      : entry_{function, name, level, 50, false, nullptr} {
    sockhost_init_announce(&entry_);
  }
  ~Announced() { sockhost_init_withdraw(&entry_); }
  Announced(const Announced&) = delete;
  Announced& operator=(const Announced&) = delete;

 private:
  sockhost_init_entry entry_;
};

int runs = 0;
int CountRun() {
  ++runs;
  return 0;
}
int Refuse() { return -EADDRINUSE; }
int RefuseOtherwise() { return -EIO; }
int Throw() { throw std::runtime_error("no network"); }

class InitLevelsTest : public testing::Test {
 protected:
  void SetUp() override { runs = 0; }
};

TEST_F(InitLevelsTest, LevelThenPriorityThenDefinition) {
  EXPECT_EQ(sockhost_run_init_levels(), 0);
  EXPECT_STREQ(init_order(), "early pre1 early post a1 a2 late ");
}

TEST_F(InitLevelsTest, FunctionRunsOnce) {
  const Announced first(CountRun);
  EXPECT_FALSE(RunInitLevels());
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(RunInitLevels());
  EXPECT_EQ(runs, 1);
  const Announced second(CountRun);
  EXPECT_FALSE(RunInitLevels());
  EXPECT_EQ(runs, 2);
}

TEST_F(InitLevelsTest, WithdrawnFunctionDoesNotRun) {
  { const Announced gone(CountRun); }
  EXPECT_FALSE(RunInitLevels());
  EXPECT_EQ(runs, 0);
}

TEST_F(InitLevelsTest, FirstFailureIsReturnedAndTheRestRuns) {
  const Announced last(CountRun);
  const Announced second(RefuseOtherwise, "refuse_otherwise", SOCKHOST_INIT_POST_KERNEL);
  const Announced first(Refuse, "refuse", SOCKHOST_INIT_EARLY);
  const std::optional<InitFailure> failure = RunInitLevels();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->function, "refuse");
  EXPECT_EQ(failure->error, -EADDRINUSE);
  EXPECT_EQ(failure->message, "refuse: returned -98: Address already in use (EADDRINUSE)");
  EXPECT_EQ(runs, 1);
}

TEST_F(InitLevelsTest, ExceptionIsAFailure) {
  const Announced thrower(Throw, "thrower");
  const std::optional<InitFailure> failure = RunInitLevels();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->error, -EFAULT);
  EXPECT_EQ(failure->message, "thrower: threw an exception: no network");
}

}  // namespace
}  // namespace sockhost
