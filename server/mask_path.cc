#include "mask_path.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "resource_fields.h"
#include "sockhost/error.h"

namespace sockhost {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

namespace {

std::string NoField(absl::string_view name, const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  const std::string guess = DidYouMean(name, names);
  return absl::StrCat(
      "\"", absl::CHexEscape(name.substr(0, 64)), "\" is no field of ", message.name(), "; ",
      guess.empty() ? "names are those of the proto file, as in max_connections" : guess);
}

}  // namespace

absl::Status MaskError(absl::string_view path, absl::string_view why, absl::string_view field) {
  const std::string shown = absl::CHexEscape(path.substr(0, 128));
  return Error(Reason::kMASK_INVALID, absl::StrCat(field, " path \"", shown, "\": ", why),
               {{"path", shown}}, field);
}

absl::Status CheckMaskPath(const std::string& path, const Descriptor& type,
                           absl::string_view field) {
  if (path.empty()) return MaskError(path, "it is empty; name a field", field);
  const Descriptor* message = &type;
  absl::string_view parent;
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (!message) {
      return MaskError(path, absl::StrCat("parts of ", parent, " cannot be named; name it alone"),
                       field);
    }
    const FieldDescriptor* found = message->FindFieldByName(std::string(name));
    if (!found) return MaskError(path, NoField(name, *message), field);
    message = found->is_repeated() ? nullptr : found->message_type();
    parent = name;
  }
  return absl::OkStatus();
}

}  // namespace sockhost
