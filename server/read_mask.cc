#include "read_mask.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "mask_path.h"

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

// `path` has been checked.
void AddPath(const std::string& path, PathTree& tree) {
  PathTree* node = &tree;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(path, '.'))) {
    node = &node->fields[name];
  }
  node->whole = true;
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
    if (absl::Status status = CheckMaskPath(path, type, field); !status.ok()) return status;
    AddPath(path, tree);
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
