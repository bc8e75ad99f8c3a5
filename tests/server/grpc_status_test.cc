#include "server/grpc_status.h"

#include <gmock/gmock.h>

#include <map>
#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using google::rpc::BadRequest;
using google::rpc::ErrorInfo;
using testing::Pair;
using testing::UnorderedElementsAre;

template <typename Detail>
std::optional<Detail> DetailIn(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  EXPECT_EQ(rich.code(), status.error_code());
  EXPECT_EQ(rich.message(), status.error_message());
  Detail detail;
  for (const auto& any : rich.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(GrpcStatusTest, OkIsOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

TEST(GrpcStatusTest, EveryReasonKeepsItsCodeAndName) {
  for (const Reason reason : {
#define REASON(name, code, error_number) Reason::k##name,
           SOCKHOST_ERROR_REASONS(REASON)
#undef REASON
       }) {
    const absl::Status error = Error(reason, "what failed");
    const grpc::Status status = ToGrpcStatus(error);
    EXPECT_EQ(static_cast<int>(status.error_code()), static_cast<int>(error.code()));
    EXPECT_EQ(status.error_message(), "what failed");
    const auto info = DetailIn<ErrorInfo>(status);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->reason(), std::string(ReasonName(reason)));
    EXPECT_EQ(info->domain(), "sockhost");
    EXPECT_FALSE(DetailIn<BadRequest>(status)) << "no field is wrong";
  }
}

TEST(GrpcStatusTest, MetadataAndFieldAreDetails) {
  const grpc::Status status = ToGrpcStatus(Error(
      Reason::kADDRESS_IN_USE, "taken", {{"address", "a"}, {"listener", "l"}}, "listener.address"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(DetailIn<ErrorInfo>(status)->metadata(),
              UnorderedElementsAre(Pair("address", "a"), Pair("listener", "l")));
  const auto bad_request = DetailIn<BadRequest>(status);
  ASSERT_TRUE(bad_request);
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "listener.address");
  EXPECT_EQ(bad_request->field_violations(0).description(), "taken");
}

TEST(GrpcStatusTest, EachWrongFieldIsAViolation) {
  FieldErrors errors;
  errors.Add(Error(Reason::kFIELD_INVALID, "one", {{"value", "1"}}, "a"));
  errors.Add(Error(Reason::kADDRESS_INVALID, "two", {{"address", "2"}}, "b"));
  const grpc::Status status = ToGrpcStatus(errors.ToStatus());
  EXPECT_EQ(status.error_message(), "one");
  EXPECT_EQ(DetailIn<ErrorInfo>(status)->reason(), "FIELD_INVALID");
  EXPECT_THAT(DetailIn<ErrorInfo>(status)->metadata(), UnorderedElementsAre(Pair("value", "1")));
  const auto bad_request = DetailIn<BadRequest>(status);
  ASSERT_TRUE(bad_request);
  ASSERT_EQ(bad_request->field_violations_size(), 2);
  EXPECT_EQ(bad_request->field_violations(0).field(), "a");
  EXPECT_EQ(bad_request->field_violations(1).field(), "b");
  EXPECT_EQ(bad_request->field_violations(1).description(), "two");
}

TEST(GrpcStatusTest, ForeignErrorIsInternal) {
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("not one of ours"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(DetailIn<ErrorInfo>(status)->reason(), "INTERNAL");
}

// Field numbers by name of a message, as everybody else's google/rpc/*.proto has
// them: our own copy holds no more than what is used.
template <typename Message>
std::map<std::string, int> FieldsOf() {
  std::map<std::string, int> fields;
  const auto* descriptor = Message::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    fields[descriptor->field(i)->name()] = descriptor->field(i)->number();
  }
  return fields;
}

TEST(GrpcStatusTest, MessagesAreThoseOfGoogleRpc) {
  using Fields = std::map<std::string, int>;
  EXPECT_EQ(google::rpc::Status::descriptor()->full_name(), "google.rpc.Status");
  EXPECT_EQ(FieldsOf<google::rpc::Status>(), (Fields{{"code", 1}, {"message", 2}, {"details", 3}}));
  EXPECT_EQ(ErrorInfo::descriptor()->full_name(), "google.rpc.ErrorInfo");
  EXPECT_EQ(FieldsOf<ErrorInfo>(), (Fields{{"reason", 1}, {"domain", 2}, {"metadata", 3}}));
  EXPECT_EQ(BadRequest::descriptor()->full_name(), "google.rpc.BadRequest");
  EXPECT_EQ(FieldsOf<BadRequest>(), (Fields{{"field_violations", 1}}));
  EXPECT_EQ(FieldsOf<BadRequest::FieldViolation>(), (Fields{{"field", 1}, {"description", 2}}));
}

}  // namespace
}  // namespace sockhost
