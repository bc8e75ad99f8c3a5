#include "client/rpc_error.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/client/fake_admin.h"

namespace sockhost::client {
namespace {

using testing::HasSubstr;

const AdminAddress kNobody = *ParseAdminAddress("unix:/nonexistent/a.sock");

TEST(StatusOfCallTest, KeepsDetailsOfDaemon) {
  const grpc::Status error =
      DaemonError(grpc::StatusCode::FAILED_PRECONDITION, "address in use: tcp://0.0.0.0:80",
                  "ADDRESS_IN_USE", {{"address", "tcp://0.0.0.0:80"}});
  const absl::Status status = StatusOfCall(error, kNobody, absl::Seconds(1));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "address in use: tcp://0.0.0.0:80");
  ASSERT_TRUE(ErrorInfoOf(status).has_value());
  EXPECT_EQ(ErrorInfoOf(status)->reason(), "ADDRESS_IN_USE");
  EXPECT_EQ(ErrorInfoOf(status)->metadata().at("address"), "tcp://0.0.0.0:80");
}

TEST(StatusOfCallTest, NobodyThereNamesAddressAndErrno) {
  const absl::Status status =
      StatusOfCall(grpc::Status(grpc::StatusCode::UNAVAILABLE, "x"), kNobody, absl::Seconds(1));
  EXPECT_EQ(status.message(),
            "no sockhostd at unix:/nonexistent/a.sock: No such file or directory");
  EXPECT_THAT(ErrorInfoOf(status)->metadata().at("hint"), HasSubstr("SOCKCTL_HOST"));
}

TEST(StatusOfCallTest, TimeoutNamesAddressAndTime) {
  const absl::Status status = StatusOfCall(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, ""),
                                           kNobody, absl::Milliseconds(1500));
  EXPECT_EQ(status.message(), "no answer from unix:/nonexistent/a.sock within 1.5s");
}

TEST(StatusOfCallTest, GarbageInDetailsIsNoDetails) {
  const grpc::Status error(grpc::StatusCode::INTERNAL, "broken", "\xff\xff\xff");
  const absl::Status status = StatusOfCall(error, kNobody, absl::Seconds(1));
  EXPECT_EQ(status.message(), "broken");
  EXPECT_EQ(ExitCode(status), 64 + 13);
}

TEST(WithContextTest, KeepsCodeAndDetails) {
  const grpc::Status error = DaemonError(grpc::StatusCode::NOT_FOUND, "no such", "X_NOT_FOUND");
  const absl::Status status =
      WithContext("cannot get", StatusOfCall(error, kNobody, absl::Seconds(1)));
  EXPECT_EQ(status.message(), "cannot get: no such");
  EXPECT_EQ(ErrorInfoOf(status)->reason(), "X_NOT_FOUND");
}

TEST(ExitCodeTest, IsZeroForSuccess) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::CancelledError("the reader has gone")), 0);
}

TEST(ExitCodeTest, IsOneForOwnErrors) {
  EXPECT_EQ(ExitCode(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCode(absl::UnavailableError("")), 1);
}

TEST(ExitCodeTest, Is64PlusCodeForEveryCodeOfCalls) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status error(static_cast<grpc::StatusCode>(code), "x");
    EXPECT_EQ(ExitCode(StatusOfCall(error, kNobody, absl::Seconds(1))), 64 + code);
  }
}

}  // namespace
}  // namespace sockhost::client
