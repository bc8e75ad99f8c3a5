#include "client/error_text.h"

#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>
#include <string>

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

TEST(ErrorTextTest, ShowsReasonMetadataAndHint) {
  const absl::Status status = WithContext(
      "cannot create listener \"web\"",
      FailedCall(DaemonError(grpc::StatusCode::FAILED_PRECONDITION,
                             "address tcp://127.0.0.1:80 is in use", "ADDRESS_IN_USE",
                             {{"listener", "listeners/old"}, {"address", "tcp://127.0.0.1:80"}})));
  EXPECT_EQ(ErrorText(status),
            "sockctl: cannot create listener \"web\": address tcp://127.0.0.1:80 is in use "
            "(ADDRESS_IN_USE)\n"
            "  address: tcp://127.0.0.1:80\n"
            "  listener: listeners/old\n"
            "  hint: choose another port (0: the kernel chooses); 'ss -tulnp' shows its owner\n");
}

TEST(ErrorTextTest, ShowsEveryWrongField) {
  const absl::Status status = FailedCall(
      DaemonError(grpc::StatusCode::INVALID_ARGUMENT, "invalid listener", "FIELD_INVALID", {},
                  {{"listener.backlog", "must be 0 to 65535"}, {"listener.labels", "too many"}}));
  EXPECT_EQ(ErrorText(status),
            "sockctl: invalid listener (FIELD_INVALID)\n"
            "  listener.backlog: must be 0 to 65535\n"
            "  listener.labels: too many\n"
            "  hint: 'sockctl listener create --help' shows what each flag takes\n");
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

TEST(ErrorTextTest, TextOfDaemonCannotSteerTerminal) {
  const absl::Status status = FailedCall(DaemonError(grpc::StatusCode::ABORTED, "a\033[2J", "R\n",
                                                     {{"k\r", "v\a"}}, {{"f\b", "d\f"}}));
  EXPECT_EQ(ErrorText(status), "sockctl: a\\x1b[2J (R\\x0a)\n  f\\x08: d\\x0c\n  k\\x0d: v\\x07\n");
}

// The head comment of admin.proto is the list of reasons.
TEST(HintOfTest, EveryReasonOfTheContractHasHint) {
  std::ifstream proto(ADMIN_PROTO);
  ASSERT_TRUE(proto.is_open()) << ADMIN_PROTO;
  std::set<std::string> without_hint;
  const std::regex reason("\\b[A-Z]+(_[A-Z]+)+\\b");
  for (std::string line; std::getline(proto, line) && line.rfind("syntax", 0) != 0;) {
    line = line.size() > 26 ? line.substr(26) : "";  // behind the column of codes
    for (std::sregex_iterator it(line.begin(), line.end(), reason), end; it != end; ++it) {
      if (HintOf(it->str()).empty()) without_hint.insert(it->str());
    }
  }
  // A wrong page size is a bug of the client, not of its user.
  EXPECT_THAT(without_hint, testing::ElementsAre("PAGE_SIZE_INVALID"));
}

}  // namespace
}  // namespace sockhost::client
