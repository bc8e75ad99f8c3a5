#include "server/request_memory.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {
namespace {

constexpr absl::Duration kNow = absl::Hours(1);

class RequestMemoryTest : public testing::Test {
 protected:
  static v1::CreateListenerRequest Request(const std::string& id) {
    v1::CreateListenerRequest request;
    request.set_listener_id(id);
    for (int i = 0; i < 20; ++i) {
      (*request.mutable_listener()->mutable_labels())[absl::StrCat("k", i)] = "v";
    }
    return request;
  }

  absl::StatusOr<std::optional<std::string>> Begin(const std::string& request_id,
                                                   const std::string& listener = "web",
                                                   absl::Duration now = kNow) {
    return memory_.Begin(request_id, "CreateListener", Request(listener), now);
  }

  // A request that is made for the first time, and answered.
  void Answer(const std::string& request_id, const std::string& answer, absl::Duration now = kNow) {
    const auto before = Begin(request_id, "web", now);
    ASSERT_TRUE(before.ok()) << before.status();
    ASSERT_FALSE(before->has_value());
    memory_.End(request_id, answer, now);
  }

  static Reason ReasonOf(const absl::Status& status) {
    const auto detail = DetailOf(status);
    EXPECT_TRUE(detail) << status;
    return detail ? detail->reason : Reason::kINTERNAL;
  }

  RequestMemory memory_;
};

TEST_F(RequestMemoryTest, FirstAnswerIsGivenAgain) {
  Answer("r", "the answer");
  const auto again = Begin("r");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, "the answer");
}

TEST_F(RequestMemoryTest, FailureIsForgotten) {
  ASSERT_TRUE(Begin("r").ok());
  memory_.End("r", std::nullopt, kNow);
  Answer("r", "the answer");
}

TEST_F(RequestMemoryTest, RequestWithoutAnAnswerIsInProgress) {
  ASSERT_TRUE(Begin("r").ok());
  EXPECT_EQ(ReasonOf(Begin("r").status()), Reason::kREQUEST_IN_PROGRESS);
}

TEST_F(RequestMemoryTest, AnotherRequestOrMethodIsRefused) {
  Answer("r", "the answer");
  EXPECT_EQ(ReasonOf(Begin("r", "other").status()), Reason::kREQUEST_ID_REUSED);
  EXPECT_EQ(ReasonOf(memory_.Begin("r", "UpdateListener", Request("web"), kNow).status()),
            Reason::kREQUEST_ID_REUSED);
}

TEST_F(RequestMemoryTest, IdIsCheckedAgainstItsForm) {
  for (const std::string& id :
       {std::string("a b"), std::string(65, 'x'), std::string("\n"), std::string("\xc3\xa4")}) {
    EXPECT_EQ(ReasonOf(Begin(id).status()), Reason::kREQUEST_ID_INVALID) << id;
  }
  EXPECT_TRUE(Begin(std::string(64, 'x')).ok());
}

TEST_F(RequestMemoryTest, AnswersAreForgottenAfterTheWindow) {
  Answer("r", "the answer");
  const auto last = Begin("r", "web", kNow + RequestMemory::kWindow - absl::Seconds(1));
  ASSERT_TRUE(last.ok());
  EXPECT_TRUE(last->has_value());
  Answer("r", "another answer", kNow + RequestMemory::kWindow);
}

TEST_F(RequestMemoryTest, LookingChangesNothing) {
  const auto look = [this](const std::string& id, const std::string& listener = "web") {
    return memory_.Look(id, "CreateListener", Request(listener), kNow);
  };
  EXPECT_EQ(ReasonOf(look("a b").status()), Reason::kREQUEST_ID_INVALID);
  EXPECT_FALSE((*look("r")).has_value());
  ASSERT_FALSE((*Begin("r")).has_value());
  EXPECT_EQ(ReasonOf(look("r").status()), Reason::kREQUEST_IN_PROGRESS);
  memory_.End("r", "the answer", kNow);
  EXPECT_EQ(*look("r"), "the answer");
  EXPECT_EQ(ReasonOf(look("r", "other").status()), Reason::kREQUEST_ID_REUSED);
}

TEST_F(RequestMemoryTest, AsManyAsPromisedAreRemembered) {
  constexpr size_t kMost = RequestMemory::kMostAnswers;
  for (size_t i = 0; i < kMost; ++i) Answer(absl::StrCat(i), "x");
  EXPECT_TRUE((*Begin("0")).has_value());
  // A request pushes nothing out before it has its answer.
  ASSERT_FALSE((*Begin("last")).has_value());
  EXPECT_TRUE((*Begin("0")).has_value());
  memory_.End("last", "x", kNow);
  EXPECT_FALSE((*Begin("0")).has_value());
  EXPECT_TRUE((*Begin("1")).has_value());
}

TEST_F(RequestMemoryTest, OldestAreForgottenWhenTheyAreTooLarge) {
  const std::string large(RequestMemory::kMostBytes / 4, 'x');
  for (int i = 0; i < 6; ++i) Answer(absl::StrCat(i), large);
  EXPECT_TRUE((*Begin("5")).has_value());
  EXPECT_FALSE((*Begin("0")).has_value());
}

// It would be done twice.
TEST_F(RequestMemoryTest, RequestInProgressIsNotForgotten) {
  const absl::Duration much_later = kNow + 2 * RequestMemory::kWindow;
  ASSERT_FALSE((*Begin("r")).has_value());
  for (size_t i = 0; i <= RequestMemory::kMostAnswers; ++i) Answer(absl::StrCat(i), "x");
  EXPECT_EQ(ReasonOf(Begin("r", "web", much_later).status()), Reason::kREQUEST_IN_PROGRESS);
  memory_.End("r", "late", much_later);
  EXPECT_EQ(*Begin("r", "web", much_later + RequestMemory::kWindow - absl::Seconds(1)), "late");
}

TEST_F(RequestMemoryTest, RequestsInProgressAreBounded) {
  for (size_t i = 0; i < RequestMemory::kMostAnswers; ++i) {
    ASSERT_FALSE((*Begin(absl::StrCat(i))).has_value());
  }
  EXPECT_EQ(ReasonOf(Begin("r").status()), Reason::kREQUEST_IN_PROGRESS);
  memory_.End("0", std::nullopt, kNow);
  EXPECT_FALSE((*Begin("r")).has_value());
}

}  // namespace
}  // namespace sockhost
