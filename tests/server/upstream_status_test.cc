// What is said of upstreams: their state at any moment, and changes of it.
#include "server/upstream_status.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/upstream_set.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(ProblemTextTest, IsTheNameOfAnErrnoOrWords) {
  EXPECT_EQ(ProblemText(ECONNREFUSED), "ECONNREFUSED");
  EXPECT_EQ(ProblemText(kNoAnswer), "timed out");
  EXPECT_EQ(ProblemText(kNoAddress), "no address");
  EXPECT_EQ(ProblemText(kOwnAddress), "own address");
  EXPECT_EQ(ProblemText(0), "");
  EXPECT_EQ(ProblemText(4000), "errno 4000");
}

class UpstreamStatusTest : public testing::Test {
 protected:
  void MakeSet(const std::vector<std::string>& texts) {
    std::vector<std::shared_ptr<Upstream>> upstreams;
    for (const std::string& text : texts) upstreams.push_back(Upstream::Parse(text).value());
    set_ = std::make_shared<UpstreamSet>(
        std::move(upstreams), UpstreamPolicy::kRoundRobin, [this](const UpstreamChange& change) {
          told_.push_back(
              change.works
                  ? absl::StrCat(change.upstream.text(), " works after ",
                                 absl::FormatDuration(change.failed_for), ", ", change.failures)
                  : absl::StrCat(change.upstream.text(), " ", ProblemText(change.problem),
                                 ", again in ", absl::FormatDuration(change.back_off)));
        });
  }

  // A connection that fails everywhere for `problem`.
  void Fail(int problem = ECONNREFUSED) {
    UpstreamChoice choice(set_);
    while (choice.Next(now_)) choice.NoteProblem(problem);
  }

  // One that succeeds at once, and is there until it is destroyed.
  std::unique_ptr<UpstreamChoice> Succeed() {
    auto choice = std::make_unique<UpstreamChoice>(set_);
    EXPECT_TRUE(choice->Next(now_));
    choice->Arrive();
    choice->Confirm(now_);
    return choice;
  }

  UpstreamStatus Status(size_t index = 0) const { return set_->StatusOf(index, now_); }

  std::shared_ptr<UpstreamSet> set_;
  std::vector<std::string> told_;
  absl::Duration now_ = absl::Seconds(1000);
};

// ---- At any moment ---------------------------------------------------------------------

TEST_F(UpstreamStatusTest, UntriedOneIsHealthy) {
  MakeSet({"tcp://10.0.0.1:1"});
  EXPECT_EQ(Status().state, UpstreamState::kHealthy);
  EXPECT_EQ(Status().consecutive_failures, 0);
  EXPECT_EQ(Status().last_problem, 0);
  EXPECT_EQ(Status().connections, 0);
}

TEST_F(UpstreamStatusTest, FailingOneSaysSinceWhenWhyAndWhenItIsTriedNext) {
  MakeSet({"tcp://10.0.0.1:1"});
  const absl::Duration first = now_;
  Fail(ECONNREFUSED);
  now_ += absl::Milliseconds(500);
  Fail(kNoAnswer);
  EXPECT_EQ(Status().state, UpstreamState::kBackingOff);
  EXPECT_EQ(Status().consecutive_failures, 2);
  EXPECT_EQ(Status().failures, 2);
  EXPECT_EQ(Status().failing_since, first);
  EXPECT_EQ(Status().last_failure, now_);
  EXPECT_EQ(Status().last_problem, kNoAnswer);
  EXPECT_EQ(Status().retry_at, first + UpstreamSet::kFirstBackOff);
  now_ = first + UpstreamSet::kFirstBackOff;
  Fail(kNoAnswer);
  EXPECT_EQ(Status().retry_at, now_ + 2 * UpstreamSet::kFirstBackOff);
}

TEST_F(UpstreamStatusTest, WantOfMemoryForTheReportEndsNoConnection) {
  std::vector<std::shared_ptr<Upstream>> upstreams{*Upstream::Parse("tcp://10.0.0.1:1"),
                                                   *Upstream::Parse("tcp://10.0.0.2:2")};
  set_ = std::make_shared<UpstreamSet>(std::move(upstreams), UpstreamPolicy::kRoundRobin,
                                       [](const UpstreamChange&) { throw std::bad_alloc(); });
  UpstreamChoice choice(set_);
  EXPECT_EQ(choice.Next(now_)->port(), 1);
  EXPECT_EQ(choice.Next(now_)->port(), 2);
}

TEST_F(UpstreamStatusTest, OneWhoseTimeIsOverIsOnTrialUntilSomebodyTries) {
  MakeSet({"tcp://10.0.0.1:1"});
  Fail();
  now_ += UpstreamSet::kFirstBackOff;
  EXPECT_EQ(Status().state, UpstreamState::kOnTrial);
  UpstreamChoice choice(set_);
  choice.Next(now_);
  EXPECT_EQ(Status().state, UpstreamState::kBackingOff);
  EXPECT_EQ(Status().retry_at, now_ + UpstreamSet::kFirstBackOff) << "if it does not end before";
  EXPECT_EQ(Status().consecutive_failures, 1);
}

TEST_F(UpstreamStatusTest, OneThatWorksAgainIsHealthyAndRemembersWhy) {
  MakeSet({"tcp://10.0.0.1:1"});
  Fail();
  const absl::Duration failed = now_;
  now_ += absl::Seconds(5);
  Succeed();
  EXPECT_EQ(Status().state, UpstreamState::kHealthy);
  EXPECT_EQ(Status().consecutive_failures, 0);
  EXPECT_EQ(Status().failures, 1);
  EXPECT_EQ(Status().last_problem, ECONNREFUSED);
  EXPECT_EQ(Status().last_failure, failed);
  now_ += absl::Seconds(5);
  Fail();
  EXPECT_EQ(Status().failing_since, now_);
}

TEST_F(UpstreamStatusTest, ConnectionsAreCountedWhereTheyAre) {
  MakeSet({"tcp://10.0.0.1:1", "tcp://10.0.0.2:2"});
  auto first = Succeed();
  const auto second = Succeed();
  const auto third = Succeed();
  EXPECT_EQ(Status(0).active, 2);
  EXPECT_EQ(Status(1).active, 1);
  first.reset();
  EXPECT_EQ(Status(0).active, 1);
  EXPECT_EQ(Status(0).connections, 2);
  EXPECT_EQ(Status(1).connections, 1);
}

TEST_F(UpstreamStatusTest, OneThatIsBeingTriedIsActiveAndNoConnectionYet) {
  MakeSet({"tcp://10.0.0.1:1"});
  UpstreamChoice choice(set_);
  choice.Next(now_);
  EXPECT_EQ(Status().active, 1);
  EXPECT_EQ(Status().connections, 0);
}

TEST_F(UpstreamStatusTest, NameIsUnresolvedUntilItHasAnAddress) {
  MakeSet({"tcp://web.example:80"});
  EXPECT_EQ(Status().state, UpstreamState::kUnresolved);
  set_->upstreams()[0]->SetAddresses({*SocketAddress::Parse("tcp://10.0.0.1:0")});
  EXPECT_EQ(Status().state, UpstreamState::kHealthy);
}

TEST_F(UpstreamStatusTest, NameWithoutAnAddressFailsWhenItIsTried) {
  MakeSet({"tcp://web.example:80"});
  set_->upstreams()[0]->SetAddresses({});
  EXPECT_EQ(Status().state, UpstreamState::kUnresolved);
  Fail();
  EXPECT_EQ(Status().state, UpstreamState::kBackingOff);
  EXPECT_EQ(Status().last_problem, kNoAddress);
}

TEST_F(UpstreamStatusTest, NameOfWhichOneAddressWorksHasNotFailed) {
  MakeSet({"tcp://web.example:80"});
  set_->upstreams()[0]->SetAddresses(
      {*SocketAddress::Parse("tcp://10.0.0.1:0"), *SocketAddress::Parse("tcp://10.0.0.2:0")});
  UpstreamChoice choice(set_);
  choice.Next(now_);
  choice.NoteProblem(ECONNREFUSED);
  choice.Next(now_);
  choice.Arrive();
  choice.Confirm(now_);
  EXPECT_EQ(Status().failures, 0);
  EXPECT_EQ(Status().last_problem, 0);
}

TEST_F(UpstreamStatusTest, ReadersSeeWhatBelongsTogether) {
  MakeSet({"tcp://10.0.0.1:1"});
  std::atomic<bool> is_over{false};
  std::atomic<int> failing{0};
  std::thread reader([&] {
    while (!is_over) {
      const UpstreamStatus status = set_->StatusOf(0, absl::Seconds(1000));
      if (status.consecutive_failures == 0) continue;
      EXPECT_GE(status.last_failure, absl::Seconds(1000));
      EXPECT_GE(status.failing_since, absl::Seconds(1000));
      EXPECT_GE(status.retry_at, status.failing_since);
      EXPECT_EQ(status.last_problem, ECONNREFUSED);
      ++failing;
    }
  });
  // Until it has met some of them, or it is plain that it never will.
  for (int i = 0; i < 20'000 || (failing == 0 && i < 10'000'000); ++i) {
    Fail();
    now_ += absl::Microseconds(1);
    Succeed();
  }
  is_over = true;
  reader.join();
  EXPECT_GT(failing, 0);
}

// ---- Changes ---------------------------------------------------------------------------

TEST_F(UpstreamStatusTest, EachChangeIsToldOnce) {
  MakeSet({"tcp://10.0.0.1:1"});
  for (int i = 0; i < 3; ++i) {
    Fail(kNoAnswer);
    now_ += absl::Seconds(10);
  }
  for (int i = 0; i < 3; ++i) Succeed();
  Fail();
  EXPECT_THAT(told_, ElementsAre("tcp://10.0.0.1:1 timed out, again in 1s",
                                 "tcp://10.0.0.1:1 works after 30s, 3",
                                 "tcp://10.0.0.1:1 ECONNREFUSED, again in 1s"));
}

TEST_F(UpstreamStatusTest, OneThatFailsEveryOtherTimeIsToldOnceASecond) {
  MakeSet({"tcp://10.0.0.1:1"});
  for (int i = 0; i < 1000; ++i) {
    Fail();
    Succeed();
    now_ += absl::Milliseconds(2);
  }
  EXPECT_THAT(told_, SizeIs(2 * 2));
}

TEST_F(UpstreamStatusTest, FailureThatWasHeldBackIsToldWithTheNext) {
  MakeSet({"tcp://10.0.0.1:1"});
  Fail();
  Succeed();
  Fail();
  EXPECT_THAT(told_, SizeIs(2));
  now_ += absl::Seconds(1);
  Fail();
  Fail();
  EXPECT_THAT(told_, SizeIs(3));
  Succeed();
  EXPECT_THAT(told_, SizeIs(4));
}

}  // namespace
}  // namespace sockhost
