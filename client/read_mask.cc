#include "client/read_mask.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;

bool IsInside(absl::string_view path, absl::string_view outer) {
  return absl::StartsWith(path, outer) && path.size() > outer.size() && path[outer.size()] == '.';
}

// Whether `mask` wants a part of the message at `path`.
bool IsPartlyShown(const FieldMask& mask, absl::string_view path) {
  return std::any_of(mask.paths().begin(), mask.paths().end(),
                     [path](const std::string& wanted) { return IsInside(wanted, path); });
}

void AddLeftOut(const FieldMask& mask, const Descriptor& type, const std::string& prefix,
                LeftOutFields& left_out) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string path = absl::StrCat(prefix, field.name());
    if (IsShown(mask, path)) continue;
    if (!IsPartlyShown(mask, path)) {
      left_out[type.full_name()].insert(field.name());
    } else if (field.message_type() != nullptr &&
               field.message_type()->file()->package() == type.file()->package()) {
      AddLeftOut(mask, *field.message_type(), path + ".", left_out);
    }  // else a Timestamp: one value
  }
}

}  // namespace

bool IsShown(const FieldMask& mask, absl::string_view path) {
  if (mask.paths().empty() || path == "name") return true;  // the name is always sent
  return std::any_of(mask.paths().begin(), mask.paths().end(), [path](const std::string& wanted) {
    return wanted == "*" || wanted == path || IsInside(path, wanted);
  });
}

LeftOutFields LeftOutBy(const FieldMask& mask) {
  LeftOutFields left_out;
  AddLeftOut(mask, *v1::Socket::descriptor(), "", left_out);
  return left_out;
}

}  // namespace sockhost::client
