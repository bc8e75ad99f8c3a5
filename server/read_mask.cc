#include "read_mask.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "sockhost/error.h"

namespace sockhost {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The fields of one message type that are hidden, and those of which a part is.
struct ReadMask::Node {
  std::vector<const FieldDescriptor*> hidden;
  struct Part;
  std::vector<Part> partly;
};

struct ReadMask::Node::Part {
  const FieldDescriptor* field;
  Node below;
};

namespace {

// Shown fields by name. One without fields below it is shown whole.
struct PathTree {
  std::map<std::string, PathTree> fields;
  bool whole = false;
};

absl::Status MaskError(absl::string_view path, absl::string_view why, absl::string_view field) {
  const std::string shown = absl::CHexEscape(path.substr(0, 128));
  return Error(Reason::kMASK_INVALID, absl::StrCat(field, " path \"", shown, "\": ", why),
               {{"path", shown}}, field);
}

absl::Status AddPath(const std::string& path, const Descriptor& type, absl::string_view field,
                     PathTree& tree) {
  const Descriptor* message = &type;
  PathTree* node = &tree;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(path, '.'))) {
    if (!message) return MaskError(path, "goes on behind a field that has no fields", field);
    const FieldDescriptor* found = message->FindFieldByName(name);
    if (!found) {
      return MaskError(path,
                       absl::StrCat("\"", absl::CHexEscape(name.substr(0, 64)),
                                    "\" is no field of ", message->name()),
                       field);
    }
    message = found->is_repeated() ? nullptr : found->message_type();
    node = &node->fields[name];
  }
  node->whole = true;
  return absl::OkStatus();
}

std::string KeyOf(const PathTree& tree, const std::string& prefix) {
  std::vector<std::string> paths;
  for (const auto& [name, below] : tree.fields) {
    const std::string path = prefix + name;
    paths.push_back(below.whole ? path : KeyOf(below, path + "."));
  }
  return absl::StrJoin(paths, ",");
}

}  // namespace

absl::StatusOr<ReadMask> ReadMask::Parse(const google::protobuf::FieldMask& mask,
                                         const Descriptor& type, absl::string_view field) {
  ReadMask out;
  PathTree tree;
  for (const std::string& path : mask.paths()) {
    if (path == "*") return ReadMask();
    if (absl::Status status = AddPath(path, type, field, tree); !status.ok()) return status;
  }
  if (tree.fields.empty()) return out;
  if (type.FindFieldByName("name")) tree.fields["name"].whole = true;

  const auto make = [](const auto& self, const PathTree& shown, const Descriptor& of) -> Node {
    Node node;
    for (int i = 0; i < of.field_count(); ++i) {
      const FieldDescriptor* candidate = of.field(i);
      const auto found = shown.fields.find(candidate->name());
      if (found == shown.fields.end()) {
        node.hidden.push_back(candidate);
      } else if (!found->second.whole) {
        node.partly.push_back({candidate, self(self, found->second, *candidate->message_type())});
      }
    }
    return node;
  };
  out.root_ = std::make_shared<const Node>(make(make, tree, type));
  out.key_ = KeyOf(tree, "");
  return out;
}

void ReadMask::Trim(google::protobuf::Message& message) const {
  if (!root_) return;
  const auto trim = [](const auto& self, const Node& node,
                       google::protobuf::Message& target) -> void {
    const google::protobuf::Reflection& reflection = *target.GetReflection();
    for (const FieldDescriptor* field : node.hidden) reflection.ClearField(&target, field);
    for (const auto& [field, below] : node.partly) {
      if (reflection.HasField(target, field)) {
        self(self, below, *reflection.MutableMessage(&target, field));
      }
    }
  };
  trim(trim, *root_, message);
}

}  // namespace sockhost
