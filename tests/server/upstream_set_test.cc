#include "server/upstream_set.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;

std::shared_ptr<Upstream> Parse(const std::string& text) { return Upstream::Parse(text).value(); }

// ---- Texts ----------------------------------------------------------------------

TEST(UpstreamTest, LiteralAddressIsKnownAtOnce) {
  const auto upstream = Parse("tcp://[::1]:80");
  EXPECT_EQ(upstream->host(), "");
  EXPECT_FALSE(upstream->is_resolving());
  EXPECT_THAT(upstream->addresses(), ElementsAre(*SocketAddress::Parse("tcp://[::1]:80")));
}

TEST(UpstreamTest, NameGetsItsPortAndProtocol) {
  const auto upstream = Parse("udp://dns.example:53");
  EXPECT_EQ(upstream->host(), "dns.example");
  EXPECT_TRUE(upstream->is_resolving());
  EXPECT_THAT(upstream->addresses(), IsEmpty());
  upstream->SetAddresses({*SocketAddress::Parse("tcp://10.0.0.1:0")});
  EXPECT_FALSE(upstream->is_resolving());
  EXPECT_THAT(upstream->addresses(), ElementsAre(*SocketAddress::Parse("udp://10.0.0.1:53")));
}

TEST(UpstreamTest, FailedLookUpKeepsWhatIsKnown) {
  const auto upstream = Parse("tcp://web.example:80");
  upstream->SetAddresses({*SocketAddress::Parse("tcp://10.0.0.1:0")});
  upstream->SetFailed();
  EXPECT_THAT(upstream->addresses(), ElementsAre(*SocketAddress::Parse("tcp://10.0.0.1:80")));
}

TEST(UpstreamTest, BadTextsAreRefused) {
  for (const std::string text :
       {"", "tcp://", "tcp://host", "tcp://host:", "tcp://host:0", "tcp://host:65536",
        "tcp://host:-1", "tcp://10.0.0.1:0", "tcp://10.0.0.256:80", "tcp://ho st:80", "tcp://-a:80",
        "http://host:80", "tcp://[host]:80", "tcp://host:80/"}) {
    const auto upstream = Upstream::Parse(text);
    ASSERT_FALSE(upstream.ok()) << text;
    EXPECT_EQ(DetailOf(upstream.status())->reason, Reason::kADDRESS_INVALID) << text;
  }
  EXPECT_FALSE(Upstream::Parse("tcp://" + std::string(254, 'a') + ":80").ok());
}

// ---- Choices --------------------------------------------------------------------

class UpstreamSetTest : public testing::Test {
 protected:
  std::shared_ptr<UpstreamSet> MakeSet(std::vector<std::string> texts,
                                       UpstreamPolicy policy = UpstreamPolicy::kRoundRobin) {
    std::vector<std::shared_ptr<Upstream>> upstreams;
    for (const std::string& text : texts) upstreams.push_back(Parse(text));
    return std::make_shared<UpstreamSet>(std::move(upstreams), policy);
  }

  // The ports that one connection tries when each fails.
  std::vector<int> FailEverywhere(const std::shared_ptr<UpstreamSet>& set) {
    std::vector<int> ports;
    UpstreamChoice choice(set);
    while (const auto address = choice.Next(now_)) ports.push_back(address->port());
    return ports;
  }

  // A connection that succeeds at the first address.
  std::unique_ptr<UpstreamChoice> Succeed(const std::shared_ptr<UpstreamSet>& set, int* port) {
    auto choice = std::make_unique<UpstreamChoice>(set);
    *port = choice->Next(now_)->port();
    choice->Arrive();
    choice->Confirm(now_);
    return choice;
  }

  int PortOf(const std::shared_ptr<UpstreamSet>& set) {
    int port = 0;
    Succeed(set, &port);
    return port;
  }

  const std::vector<std::string> three_ = {"tcp://10.0.0.1:1", "tcp://10.0.0.2:2",
                                           "tcp://10.0.0.3:3"};
  absl::Duration now_ = absl::Seconds(1000);
};

TEST_F(UpstreamSetTest, RoundRobinTakesOneAfterTheOther) {
  const auto set = MakeSet(three_);
  EXPECT_THAT((std::vector{PortOf(set), PortOf(set), PortOf(set), PortOf(set)}),
              ElementsAre(1, 2, 3, 1));
}

TEST_F(UpstreamSetTest, LeastConnectionsTakesTheEmptiest) {
  const auto set = MakeSet(three_, UpstreamPolicy::kLeastConnections);
  int port = 0;
  const auto first = Succeed(set, &port);
  auto second = Succeed(set, &port);
  const auto third = Succeed(set, &port);
  EXPECT_EQ(port, 3);
  second.reset();
  const auto fourth = Succeed(set, &port);
  EXPECT_EQ(port, 2);
  EXPECT_EQ(set->active(0), 1);
}

TEST_F(UpstreamSetTest, FailingUpstreamIsPassedOverUntilItsTimeIsOver) {
  const auto set = MakeSet(three_);
  UpstreamChoice choice(set);
  EXPECT_EQ(choice.Next(now_)->port(), 1);
  EXPECT_EQ(choice.Next(now_)->port(), 2);
  choice.Arrive();
  choice.Confirm(now_);
  EXPECT_TRUE(set->is_backing_off(0, now_));
  EXPECT_THAT((std::vector{PortOf(set), PortOf(set), PortOf(set)}), ElementsAre(3, 2, 3));
  now_ += UpstreamSet::kFirstBackOff;
  EXPECT_EQ(PortOf(set), 1);
  EXPECT_EQ(PortOf(set), 2);
}

TEST_F(UpstreamSetTest, BackOffDoublesUpToItsLimit) {
  const auto set = MakeSet({"tcp://10.0.0.1:1"});
  for (absl::Duration wanted = UpstreamSet::kFirstBackOff; wanted < UpstreamSet::kLongestBackOff;
       wanted *= 2) {
    FailEverywhere(set);
    EXPECT_TRUE(set->is_backing_off(0, now_ + wanted - absl::Nanoseconds(1))) << wanted;
    EXPECT_FALSE(set->is_backing_off(0, now_ + wanted)) << wanted;
    now_ += wanted;
  }
  for (int i = 0; i < 100; ++i, now_ += UpstreamSet::kLongestBackOff) FailEverywhere(set);
  FailEverywhere(set);
  EXPECT_TRUE(set->is_backing_off(0, now_ + UpstreamSet::kLongestBackOff - absl::Nanoseconds(1)));
  EXPECT_FALSE(set->is_backing_off(0, now_ + UpstreamSet::kLongestBackOff));
}

TEST_F(UpstreamSetTest, ClientsThatFailAtTheSameTimeCountAsOne) {
  const auto set = MakeSet({"tcp://10.0.0.1:1"});
  for (int i = 0; i < 100; ++i) FailEverywhere(set);
  EXPECT_FALSE(set->is_backing_off(0, now_ + UpstreamSet::kFirstBackOff));
}

TEST_F(UpstreamSetTest, SuccessEndsTheBackOff) {
  const auto set = MakeSet({"tcp://10.0.0.1:1"});
  for (int i = 0; i < 5; ++i, now_ += UpstreamSet::kLongestBackOff) FailEverywhere(set);
  PortOf(set);
  EXPECT_FALSE(set->is_backing_off(0, now_));
  FailEverywhere(set);
  EXPECT_FALSE(set->is_backing_off(0, now_ + UpstreamSet::kFirstBackOff));
}

TEST_F(UpstreamSetTest, OneConnectionTriesAnUpstreamWhoseTimeIsOver) {
  const auto set = MakeSet({"tcp://10.0.0.1:1", "tcp://10.0.0.2:2"});
  UpstreamChoice first(set);
  first.Next(now_);
  EXPECT_EQ(first.Next(now_)->port(), 2);
  now_ += UpstreamSet::kFirstBackOff;
  UpstreamChoice on_trial(set);
  EXPECT_EQ(on_trial.Next(now_)->port(), 1);
  EXPECT_THAT((std::vector{PortOf(set), PortOf(set)}), ElementsAre(2, 2));
}

TEST_F(UpstreamSetTest, WhenAllFailEachIsTriedOnceAllTheSame) {
  const auto set = MakeSet(three_);
  EXPECT_THAT(FailEverywhere(set), ElementsAre(1, 2, 3));
  EXPECT_THAT(FailEverywhere(set), ElementsAre(1, 2, 3));
}

TEST_F(UpstreamSetTest, PassedOverUpstreamsAreCounted) {
  const auto set = MakeSet(three_);
  UpstreamChoice failing(set);
  failing.Next(now_);
  failing.Next(now_);
  EXPECT_EQ(failing.skipped(), 0);
  UpstreamChoice later(set);
  later.Next(now_);
  EXPECT_EQ(later.skipped(), 1);
}

TEST_F(UpstreamSetTest, EveryAddressOfANameIsTriedAndTheGoodOneRemembered) {
  const auto set = MakeSet({"tcp://web.example:80"});
  const SocketAddress bad = *SocketAddress::Parse("tcp://10.0.0.1:80");
  const SocketAddress good = *SocketAddress::Parse("tcp://10.0.0.2:80");
  set->upstreams()[0]->SetAddresses({bad, good});
  {
    UpstreamChoice choice(set);
    EXPECT_THAT(choice.Next(now_), Eq(bad));
    EXPECT_THAT(choice.Next(now_), Eq(good));
    choice.Arrive();
    choice.Confirm(now_);
  }
  UpstreamChoice next(set);
  EXPECT_THAT(next.Next(now_), Eq(good));
  EXPECT_THAT(next.Next(now_), Eq(bad));
  EXPECT_THAT(next.Next(now_), Eq(std::nullopt));
}

// A flow learns that its address does not work after it has arrived there.
class LateFailureTest : public UpstreamSetTest {
 protected:
  LateFailureTest() { set_->upstreams()[0]->SetAddresses({At(1), At(2), At(3)}); }

  static SocketAddress At(int number) {
    return *SocketAddress::Parse(absl::StrCat("udp://10.0.0.", number, ":53"));
  }
  std::unique_ptr<UpstreamChoice> Arrive(int wanted) {
    auto choice = std::make_unique<UpstreamChoice>(set_);
    EXPECT_THAT(choice->Next(now_), Eq(At(wanted)));
    choice->Arrive();
    return choice;
  }
  void ArriveAndFail(int wanted) { Arrive(wanted)->Fail(now_, ECONNREFUSED); }
  int failures() const { return set_->StatusOf(0, now_).consecutive_failures; }

  const std::shared_ptr<UpstreamSet> set_ = MakeSet({"udp://dns.example:53"});
};

TEST_F(LateFailureTest, NextChoiceBeginsWithAnotherAddress) {
  ArriveAndFail(1);
  ArriveAndFail(2);
  EXPECT_EQ(failures(), 0);
  EXPECT_FALSE(set_->is_backing_off(0, now_));
  Arrive(3)->Confirm(now_);
  Arrive(3);
}

TEST_F(LateFailureTest, UpstreamFailsWhenAllItsAddressesHave) {
  ArriveAndFail(1);
  ArriveAndFail(2);
  ArriveAndFail(3);
  EXPECT_EQ(failures(), 1);
  EXPECT_TRUE(set_->is_backing_off(0, now_));
  // Each is tried in its turn, until one works.
  ArriveAndFail(1);
  EXPECT_EQ(failures(), 2);
  Arrive(2)->Confirm(now_);
  EXPECT_EQ(failures(), 0);
  ArriveAndFail(2);
  EXPECT_EQ(failures(), 0) << "the others may be back";
}

TEST_F(LateFailureTest, ManyFlowsAtOneAddressCountAsOne) {
  const auto first = Arrive(1);
  const auto second = Arrive(1);
  const auto third = Arrive(1);
  first->Fail(now_, ECONNREFUSED);
  second->Fail(now_, ECONNREFUSED);
  Arrive(2)->Confirm(now_);
  third->Fail(now_, ECONNREFUSED);
  EXPECT_EQ(failures(), 0);
  Arrive(2);
}

TEST_F(LateFailureTest, AddressThatFailedAtOnceCountsToo) {
  UpstreamChoice choice(set_);
  choice.Next(now_);
  choice.Next(now_);
  EXPECT_THAT(choice.Next(now_), Eq(At(3)));
  choice.Arrive();
  choice.Fail(now_, ECONNREFUSED);
  EXPECT_EQ(failures(), 1);
}

TEST_F(LateFailureTest, NameMayHaveFewerAddressesMeanwhile) {
  ArriveAndFail(1);
  ArriveAndFail(2);
  set_->upstreams()[0]->SetAddresses({At(1)});
  ArriveAndFail(1);
  EXPECT_EQ(failures(), 1);
}

TEST_F(UpstreamSetTest, UnresolvedNameIsWaitedForOnlyIfNothingElseWorks) {
  const auto set = MakeSet({"tcp://web.example:80", "tcp://10.0.0.2:2"});
  UpstreamChoice choice(set);
  EXPECT_EQ(choice.Next(now_)->port(), 2);
  EXPECT_EQ(choice.Next(now_), std::nullopt);
  EXPECT_TRUE(choice.IsWaiting());
  set->upstreams()[0]->SetAddresses({*SocketAddress::Parse("tcp://10.0.0.1:0")});
  EXPECT_EQ(choice.Next(now_)->port(), 80);
  EXPECT_EQ(choice.Next(now_), std::nullopt);
  EXPECT_FALSE(choice.IsWaiting());
}

TEST_F(UpstreamSetTest, NameThatDoesNotExistIsNotWaitedFor) {
  const auto set = MakeSet({"tcp://web.example:80"});
  set->upstreams()[0]->SetFailed();
  UpstreamChoice choice(set);
  EXPECT_EQ(choice.Next(now_), std::nullopt);
  EXPECT_FALSE(choice.IsWaiting());
  EXPECT_EQ(choice.TakeUnknown(), 1);
  EXPECT_EQ(choice.TakeUnknown(), 0) << "told once";
}

}  // namespace
}  // namespace sockhost
