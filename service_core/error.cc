#include "sockhost/error.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace sockhost {
namespace {

constexpr absl::string_view kPayloadUrl = "sockhost/error-detail";
// Field and description of each further violation.
constexpr absl::string_view kOthersUrl = "sockhost/other-violations";
// Trailers of an answer have 8 KiB, and the first message is in them three times.
constexpr size_t kMostOfOthers = 2048;
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

std::vector<FieldViolation> OthersOf(const absl::Status& status) {
  std::vector<FieldViolation> others;
  const absl::optional<absl::Cord> payload = status.GetPayload(kOthersUrl);
  if (!payload) return others;
  const std::vector<std::string> parts = absl::StrSplit(std::string(*payload), kSeparator);
  for (size_t i = 0; i + 1 < parts.size(); i += 2) others.push_back({parts[i], parts[i + 1]});
  return others;
}

}  // namespace

absl::string_view ReasonName(Reason reason) { return Row(reason).name; }

absl::Status Error(Reason reason, absl::string_view message, ErrorMetadata metadata,
                   absl::string_view field) {
  absl::Status status(Row(reason).code, message);
  const ErrorDetail detail{reason, std::move(metadata), std::string(field), {}};
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
  detail.others = OthersOf(status);
  return detail;
}

absl::Status WithField(const absl::Status& status, absl::string_view field) {
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail) return status;
  return Error(detail->reason, status.message(), std::move(detail->metadata), field);
}

void FieldErrors::Add(const absl::Status& status) {
  if (status.ok()) return;
  const std::optional<ErrorDetail> detail = DetailOf(status);
  const std::string field = detail ? detail->field : "";
  if (first_.ok()) {
    first_ = status;
    field_of_first_ = field;
  } else {
    AddOther(field, status.message());
  }
  if (!detail) return;
  for (const FieldViolation& other : detail->others) AddOther(other.field, other.description);
}

bool FieldErrors::Has(absl::string_view field) const {
  const auto is_it = [field](const FieldViolation& other) { return other.field == field; };
  return field == field_of_first_ || std::any_of(others_.begin(), others_.end(), is_it);
}

void FieldErrors::AddOther(absl::string_view field, absl::string_view description) {
  const size_t size = field.size() + description.size();
  if (field.empty() || Has(field) || size_of_others_ + size > kMostOfOthers) return;
  size_of_others_ += size;
  others_.push_back({std::string(field), std::string(description)});
}

absl::Status FieldErrors::ToStatus() const {
  absl::Status status = first_;
  if (others_.empty()) return status;
  std::vector<absl::string_view> parts;
  for (const FieldViolation& other : others_) {
    parts.push_back(other.field);
    parts.push_back(other.description);
  }
  const std::string separator(1, kSeparator);
  status.SetPayload(kOthersUrl, absl::Cord(absl::StrJoin(parts, separator)));
  return status;
}

std::string DescribeErrno(int error_number) {
  const char* name = strerrorname_np(error_number);
  const char* text = strerrordesc_np(error_number);
  return absl::StrCat(text ? text : "unknown error", " (",
                      name ? std::string(name) : absl::StrCat(error_number), ")");
}

}  // namespace sockhost
