#include "client/resource_sheet.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/display_text.h"
#include "client/resource_tables.h"
#include "sockhost/v1/host.pb.h"

namespace sockhost::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Line {
  std::string label;  // indented
  std::string value;  // empty for the head of a nested message
};

// Messages that stand for one value; nothing for all others.
std::optional<std::string> ValueText(const Message& message, absl::Time now) {
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    const absl::Duration age = now - TimeOf(*time);
    // A whole second to come may be just under one by now: round it up.
    const std::string distance =
        age < absl::ZeroDuration()
            ? absl::StrCat("in ", AgeText(absl::Ceil(-age, absl::Seconds(1))))
            : absl::StrCat(AgeText(age), " ago");
    return absl::StrCat(
        absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", TimeOf(*time), absl::UTCTimeZone()), " (",
        distance, ")");
  }
  if (const auto* time = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    const auto duration = absl::Seconds(time->seconds()) + absl::Nanoseconds(time->nanos());
    return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
  }
  if (const auto* use = dynamic_cast<const v1::LimitUse*>(&message)) {
    return absl::StrCat(use->used(), " of ", use->limit());
  }
  return std::nullopt;
}

std::string ScalarText(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(message, &field)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    default:
      return "(sockctl does not know this type)";
  }
}

std::string RepeatedText(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  std::vector<std::string> items;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (field.is_map()) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      items.push_back(absl::StrCat(ScalarText(entry, *field.message_type()->map_key()), "=",
                                   ScalarText(entry, *field.message_type()->map_value())));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      items.push_back(reflection.GetRepeatedString(message, &field, i));
    }
  }
  if (field.is_map()) std::sort(items.begin(), items.end());
  return absl::StrJoin(items, ", ");
}

bool IsTable(const FieldDescriptor& field) {
  return field.is_repeated() && !field.is_map() &&
         field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

class Sheet {
 public:
  explicit Sheet(absl::Time now) : now_(now) {}

  void Add(const Message& message, const std::string& indent) {
    std::vector<const FieldDescriptor*> set_fields;  // proto3: neither unset nor zero
    message.GetReflection()->ListFields(message, &set_fields);
    for (const FieldDescriptor* field : set_fields) {
      if (!IsTable(*field)) AddField(message, *field, indent);
    }
  }

  std::string Text() const {
    size_t width = 0;
    for (const Line& line : lines_) width = std::max(width, line.label.size());
    std::string text;
    for (const Line& line : lines_) {
      const std::string padding(line.value.empty() ? 0 : width - line.label.size() + 2, ' ');
      absl::StrAppend(&text, line.label, padding, Printable(line.value), "\n");
    }
    return text;
  }

 private:
  void AddField(const Message& message, const FieldDescriptor& field, const std::string& indent) {
    const std::string label = indent + field.name();
    if (field.is_repeated()) {
      lines_.push_back({label, RepeatedText(message, field)});
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      AddMessage(message.GetReflection()->GetMessage(message, &field), label, indent);
    } else if (absl::EndsWith(label, "_nanos")) {
      const int64_t nanos = message.GetReflection()->GetInt64(message, &field);
      lines_.push_back({std::string(absl::StripSuffix(label, "_nanos")),
                        absl::FormatDuration(absl::Nanoseconds(nanos))});
    } else {
      lines_.push_back({label, ScalarText(message, field)});
    }
  }

  void AddMessage(const Message& message, const std::string& label, const std::string& indent) {
    const std::optional<std::string> value = ValueText(message, now_);
    const size_t head = lines_.size();
    lines_.push_back({label, value.value_or("")});
    if (value.has_value()) return;
    Add(message, indent + "  ");
    if (lines_.size() == head + 1) lines_[head].value = "all zero";
  }

  const absl::Time now_;
  std::vector<Line> lines_;
};

}  // namespace

std::string SheetOf(const Message& resource, absl::Time now) {
  Sheet sheet(now);
  sheet.Add(resource, "");
  return sheet.Text();
}

}  // namespace sockhost::client
