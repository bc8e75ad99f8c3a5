#include "client/error_text.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/rpc_error.h"
#include "tests/client/fake_admin.h"

namespace sockhost::client {
namespace {

absl::Status FailedCall(const grpc::Status& error) {
  return StatusOfCall(error, *ParseAdminAddress("unix:/nonexistent"), absl::Seconds(1));
}

TEST(ErrorTextTest, OwnErrorIsOneLine) {
  EXPECT_EQ(ErrorText(absl::InternalError("cannot write the output: No space left on device")),
            "sockctl: cannot write the output: No space left on device\n");
}

TEST(ErrorTextTest, ShowsReasonValuesAndHint) {
  const absl::Status status = WithContext(
      "cannot create listener \"web\"",
      FailedCall(DaemonError(grpc::StatusCode::FAILED_PRECONDITION,
                             "address tcp://127.0.0.1:80 is in use", "ADDRESS_IN_USE",
                             {{"listener", "listeners/old"}, {"address", "tcp://127.0.0.1:8"}})));
  EXPECT_EQ(ErrorText(status),
            "sockctl: cannot create listener \"web\": address tcp://127.0.0.1:80 is in use "
            "(ADDRESS_IN_USE)\n"
            "  address: tcp://127.0.0.1:8\n"
            "  listener: listeners/old\n"
            "  hint: 'ss -tulnp' (unix sockets: 'ss -xlp') on the daemon's host shows who listens "
            "where\n");
}

TEST(ErrorTextTest, ValueOfTheFirstLineIsNotRepeated) {
  const absl::Status status =
      FailedCall(DaemonError(grpc::StatusCode::RESOURCE_EXHAUSTED, "all 10 watches are used",
                             "WATCH_LIMIT", {{"limit", "10"}, {"used", "1"}}));
  EXPECT_EQ(ErrorText(status), "sockctl: all 10 watches are used (WATCH_LIMIT)\n  used: 1\n");
}

TEST(ErrorTextTest, ShowsEveryWrongField) {
  const absl::Status status = FailedCall(
      DaemonError(grpc::StatusCode::INVALID_ARGUMENT, "invalid listener", "FIELD_INVALID", {},
                  {{"listener.backlog", "must be 0 to 65535"}, {"listener.labels", "too many"}}));
  EXPECT_EQ(ErrorText(status),
            "sockctl: invalid listener (FIELD_INVALID)\n"
            "  listener.backlog: must be 0 to 65535\n"
            "  listener.labels: too many\n");
}

TEST(ErrorTextTest, FieldOfTheWholeMessageIsOnlyNamed) {
  const absl::Status status =
      FailedCall(DaemonError(grpc::StatusCode::INVALID_ARGUMENT, "address \"x\": no scheme", "NEW",
                             {}, {{"listener.address", "address \"x\": no scheme"}}));
  EXPECT_EQ(ErrorText(status),
            "sockctl: address \"x\": no scheme (NEW)\n  field: listener.address\n");
}

TEST(ErrorTextTest, UnknownReasonIsShownWithoutHint) {
  const absl::Status status =
      FailedCall(DaemonError(grpc::StatusCode::ABORTED, "new in 2.0", "NEW_REASON"));
  EXPECT_EQ(ErrorText(status), "sockctl: new in 2.0 (NEW_REASON)\n");
}

TEST(ErrorTextTest, FilterHintIsOfWhatIsShown) {
  const absl::Status status = FailedCall(
      DaemonError(grpc::StatusCode::INVALID_ARGUMENT, "filter \"x\": no", "FILTER_INVALID"));
  EXPECT_THAT(ErrorText(status, "listener list"),
              testing::EndsWith("  hint: write e.g. 'service = echo AND labels.env = prod'\n"));
  EXPECT_THAT(ErrorText(status, "events"), testing::HasSubstr("'kind = SOCKET_CLOSED AND"));
  EXPECT_THAT(ErrorText(status, "watch"), testing::HasSubstr("'role = CONNECTION AND"));
}

TEST(ErrorTextTest, TextOfDaemonCannotSteerTerminal) {
  const absl::Status status = FailedCall(DaemonError(grpc::StatusCode::ABORTED, "a\033[2J", "R\n",
                                                     {{"k\r", "v\a"}}, {{"f\b", "d\f"}}));
  EXPECT_EQ(ErrorText(status), "sockctl: a\\x1b[2J (R\\x0a)\n  f\\x08: d\\x0c\n  k\\x0d: v\\x07\n");
}

// Words in capitals with an underscore: the reasons in a line of admin.proto.
std::vector<std::string> ReasonsIn(absl::string_view line) {
  std::vector<std::string> reasons;
  for (const absl::string_view word : absl::StrSplit(line, absl::ByAnyChar(" ,:;."))) {
    const bool capitals = word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == word.npos;
    if (capitals && absl::StrContains(word, '_')) reasons.emplace_back(word);
  }
  return reasons;
}

// The head comment of admin.proto is the list of reasons. A new one makes this
// fail: give it a hint, or a message that says what to do, and a line below.
TEST(HintOfTest, EveryReasonOfTheContractIsKnown) {
  constexpr size_t kReasonColumn = 26;  // behind the column of codes
  std::ifstream proto(ADMIN_PROTO);
  ASSERT_TRUE(proto.is_open()) << ADMIN_PROTO;
  std::set<std::string> without_hint;
  for (std::string line; std::getline(proto, line) && !absl::StartsWith(line, "// Lists");) {
    if (line.size() < kReasonColumn) continue;
    for (const std::string& reason : ReasonsIn(line.substr(kReasonColumn))) {
      if (HintOf(reason).empty()) without_hint.insert(reason);
    }
  }
  EXPECT_THAT(
      without_hint,
      testing::UnorderedElementsAre(
          "LISTENER_ID_INVALID", "ADDRESS_INVALID", "SERVICE_INVALID", "FIELD_INVALID",
          "INTERVAL_INVALID", "MASK_INVALID", "ORDER_BY_INVALID", "PAGE_SIZE_INVALID",
          "REQUEST_ID_INVALID", "REQUEST_ID_REUSED", "REQUEST_INVALID", "REQUEST_IN_PROGRESS",
          "RESUME_TOKEN_INVALID", "SERVICE_NOT_FOUND", "LISTENER_EXISTS", "ADDRESS_NOT_AVAILABLE",
          "FORWARD_LOOP", "STATE_INVALID", "INSTANCE_CHANGED", "SEQUENCE_EXPIRED", "EVENTS_LOST",
          "FD_LIMIT", "SOCKET_LIMIT", "LISTENER_LIMIT", "WATCH_LIMIT"));
}

}  // namespace
}  // namespace sockhost::client
