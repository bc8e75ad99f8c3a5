#include "sockhost/error.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace sockhost {
namespace {

constexpr absl::string_view kPayloadUrl = "sockhost/error-detail";
// Separates the parts of the payload. Values are text without NUL: addresses,
// names and numbers.
constexpr char kSeparator = '\0';

struct ReasonRow {
  absl::string_view name;
  absl::StatusCode code;
};

constexpr ReasonRow kReasons[] = {
#define SOCKHOST_X(reason, code, error_number) {#reason, absl::StatusCode::code},
    SOCKHOST_ERROR_REASONS(SOCKHOST_X)
#undef SOCKHOST_X
};

const ReasonRow& Row(Reason reason) { return kReasons[static_cast<int>(reason)]; }

std::string Encode(const ErrorDetail& detail) {
  std::string out = absl::StrCat(static_cast<int>(detail.reason));
  out += kSeparator;
  out += detail.field;
  for (const auto& [key, value] : detail.metadata) {
    out += kSeparator;
    out += key;
    out += kSeparator;
    out += value;
  }
  return out;
}

}  // namespace

absl::string_view ReasonName(Reason reason) { return Row(reason).name; }

absl::Status Error(Reason reason, absl::string_view message, ErrorMetadata metadata,
                   absl::string_view field) {
  absl::Status status(Row(reason).code, message);
  ErrorDetail detail{reason, std::move(metadata), std::string(field)};
  status.SetPayload(kPayloadUrl, absl::Cord(Encode(detail)));
  return status;
}

std::optional<ErrorDetail> DetailOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload) return std::nullopt;
  const std::string text(*payload);
  const std::vector<std::string> parts = absl::StrSplit(text, kSeparator);
  ErrorDetail detail;
  detail.reason = static_cast<Reason>(std::atoi(parts[0].c_str()));
  detail.field = parts[1];
  for (size_t i = 2; i + 1 < parts.size(); i += 2) detail.metadata[parts[i]] = parts[i + 1];
  return detail;
}

absl::Status WithField(const absl::Status& status, absl::string_view field) {
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail) return status;
  return Error(detail->reason, status.message(), std::move(detail->metadata), field);
}

std::string DescribeErrno(int error_number) {
  const char* name = strerrorname_np(error_number);
  const char* text = strerrordesc_np(error_number);
  return absl::StrCat(text ? text : "unknown error", " (",
                      name ? std::string(name) : absl::StrCat(error_number), ")");
}

}  // namespace sockhost
