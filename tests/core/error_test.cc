#include "sockhost/error.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace sockhost {
namespace {

struct Row {
  Reason reason;
  const char* name;
  absl::StatusCode code;
};

const std::vector<Row>& AllReasons() {
  static const auto* rows = new std::vector<Row>{
#define SOCKHOST_X(reason, code, error_number) {Reason::k##reason, #reason, absl::StatusCode::code},
      SOCKHOST_ERROR_REASONS(SOCKHOST_X)
#undef SOCKHOST_X
  };
  return *rows;
}

bool IsConstant(const std::string& word) {
  if (word.empty()) return false;
  for (const char c : word) {
    if (!absl::ascii_isupper(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

// The table of codes and reasons in the comment at the head of admin.proto.
std::map<std::string, std::string> CodesOfTheContract() {
  std::map<std::string, std::string> codes;
  std::ifstream file(SOCKHOST_SOURCE_DIR "/proto/sockhost/v1/admin.proto");
  for (std::string line; std::getline(file, line) && line.rfind("//", 0) == 0;) {
    std::istringstream words(absl::StrReplaceAll(line.substr(2), {{",", " "}}));
    std::string code;
    words >> code;
    if (!IsConstant(code)) continue;
    for (std::string reason; words >> reason && IsConstant(reason);) codes[reason] = code;
  }
  return codes;
}

TEST(ErrorTest, ReasonsAndCodesAreThoseOfTheContract) {
  std::map<std::string, std::string> ours;
  for (const Row& row : AllReasons()) ours[row.name] = absl::StatusCodeToString(row.code);
  EXPECT_EQ(ours, CodesOfTheContract());
}

TEST(ErrorTest, EveryReasonKeepsItsNameCodeAndDetail) {
  for (const Row& row : AllReasons()) {
    const absl::Status status =
        Error(row.reason, "it failed", {{"key", "value"}}, "listener.address");
    EXPECT_EQ(ReasonName(row.reason), row.name);
    EXPECT_EQ(status.code(), row.code) << row.name;
    EXPECT_EQ(status.message(), "it failed");
    const std::optional<ErrorDetail> detail = DetailOf(status);
    ASSERT_TRUE(detail.has_value()) << row.name;
    EXPECT_EQ(detail->reason, row.reason) << row.name;
    EXPECT_EQ(detail->field, "listener.address");
    EXPECT_EQ(detail->metadata, (ErrorMetadata{{"key", "value"}}));
  }
}

TEST(ErrorTest, DetailMayBeEmpty) {
  const std::optional<ErrorDetail> detail = DetailOf(Error(Reason::kINTERNAL, ""));
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, Reason::kINTERNAL);
  EXPECT_EQ(detail->field, "");
  EXPECT_EQ(detail->metadata, ErrorMetadata());
}

TEST(ErrorTest, MetadataKeepsEmptyAndOddValues) {
  const ErrorMetadata metadata = {
      {"empty", ""}, {"address", "tcp://[::1]:80"}, {"text", "a=b\n\"c\" \xc3\xbc"}, {"z", "last"}};
  const std::optional<ErrorDetail> detail = DetailOf(Error(Reason::kADDRESS_IN_USE, "x", metadata));
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->metadata, metadata);
}

TEST(ErrorTest, OtherStatusHasNoDetail) {
  EXPECT_FALSE(DetailOf(absl::OkStatus()).has_value());
  EXPECT_FALSE(DetailOf(absl::InternalError("elsewhere")).has_value());
}

TEST(ErrorTest, WithFieldChangesTheFieldOnly) {
  const absl::Status status = Error(Reason::kADDRESS_INVALID, "bad", {{"address", "x"}}, "before");
  const absl::Status changed = WithField(status, "listener.address");
  EXPECT_EQ(changed.code(), status.code());
  EXPECT_EQ(changed.message(), status.message());
  const std::optional<ErrorDetail> detail = DetailOf(changed);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, Reason::kADDRESS_INVALID);
  EXPECT_EQ(detail->field, "listener.address");
  EXPECT_EQ(detail->metadata, (ErrorMetadata{{"address", "x"}}));
}

TEST(ErrorTest, WithFieldLeavesOtherStatusAlone) {
  EXPECT_EQ(WithField(absl::OkStatus(), "f"), absl::OkStatus());
  EXPECT_EQ(WithField(absl::AbortedError("m"), "f"), absl::AbortedError("m"));
}

// ---- FieldErrors

absl::Status Wrong(absl::string_view field, absl::string_view message = "wrong") {
  return Error(Reason::kFIELD_INVALID, message, {{"value", "x"}}, field);
}

std::vector<FieldViolation> OthersOf(const FieldErrors& errors) {
  return DetailOf(errors.ToStatus()).value_or(ErrorDetail()).others;
}

TEST(FieldErrorsTest, WithoutAnErrorItIsOk) {
  FieldErrors errors;
  errors.Add(absl::OkStatus());
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(errors.ToStatus(), absl::OkStatus());
}

TEST(FieldErrorsTest, OneErrorIsAsItWas) {
  FieldErrors errors;
  errors.Add(Wrong("a"));
  EXPECT_FALSE(errors.empty());
  EXPECT_EQ(errors.ToStatus(), Wrong("a"));
}

TEST(FieldErrorsTest, FirstErrorIsTheErrorAndHasTheOthers) {
  FieldErrors errors;
  errors.Add(Error(Reason::kADDRESS_INVALID, "no address", {{"address", "x"}}, "a"));
  errors.Add(Wrong("b", "b is\nwrong"));
  errors.Add(Wrong("c", ""));
  const absl::Status status = errors.ToStatus();
  EXPECT_EQ(status.message(), "no address");
  const std::optional<ErrorDetail> detail = DetailOf(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, Reason::kADDRESS_INVALID);
  EXPECT_EQ(detail->metadata, (ErrorMetadata{{"address", "x"}}));
  EXPECT_EQ(detail->field, "a");
  EXPECT_EQ(detail->others, (std::vector<FieldViolation>{{"b", "b is\nwrong"}, {"c", ""}}));
}

TEST(FieldErrorsTest, OfOneFieldTheFirstErrorCounts) {
  FieldErrors errors;
  for (const char* field : {"a", "b", "a", "b"}) errors.Add(Wrong(field));
  errors.Add(Error(Reason::kINTERNAL, "of no field"));
  EXPECT_EQ(OthersOf(errors), (std::vector<FieldViolation>{{"b", "wrong"}}));
}

TEST(FieldErrorsTest, OthersOfAStatusAreAddedToo) {
  FieldErrors inner;
  for (const char* field : {"b", "c", "d"}) inner.Add(Wrong(field));
  FieldErrors errors;
  errors.Add(Wrong("a"));
  errors.Add(Wrong("c", "first"));
  errors.Add(inner.ToStatus());
  EXPECT_EQ(OthersOf(errors),
            (std::vector<FieldViolation>{{"c", "first"}, {"b", "wrong"}, {"d", "wrong"}}));
}

TEST(FieldErrorsTest, AnswerHasRoomForThem) {
  FieldErrors errors;
  for (int i = 0; i < 1000; ++i) errors.Add(Wrong(std::to_string(i), std::string(500, 'x')));
  EXPECT_EQ(OthersOf(errors).size(), 4u);
}

TEST(ErrorTest, ErrnoIsDescribedByTextAndName) {
  EXPECT_EQ(DescribeErrno(EMFILE), "Too many open files (EMFILE)");
  EXPECT_EQ(DescribeErrno(EADDRINUSE), "Address already in use (EADDRINUSE)");
  EXPECT_EQ(DescribeErrno(99999), "unknown error (99999)");
}

}  // namespace
}  // namespace sockhost
