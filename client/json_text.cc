#include "client/json_text.h"

#include <google/protobuf/type.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

using google::protobuf::util::TypeResolver;

constexpr char kTypes[] = "type.googleapis.com";

// The types of the program without some of their fields. What a printer does not
// know it does not print.
class ReducedTypes final : public TypeResolver {
 public:
  explicit ReducedTypes(const LeftOutFields& left_out) : left_out_(left_out) {}

  google::protobuf::util::Status ResolveMessageType(const std::string& url,
                                                    google::protobuf::Type* type) override {
    const auto status = all_->ResolveMessageType(url, type);
    const auto found = left_out_.find(type->name());
    if (found == left_out_.end()) return status;
    auto& fields = *type->mutable_fields();
    fields.erase(std::remove_if(
                     fields.begin(), fields.end(),
                     [&found](const auto& field) { return found->second.count(field.name()) > 0; }),
                 fields.end());
    return status;
  }

  google::protobuf::util::Status ResolveEnumType(const std::string& url,
                                                 google::protobuf::Enum* type) override {
    return all_->ResolveEnumType(url, type);
  }

 private:
  const LeftOutFields& left_out_;
  const std::unique_ptr<TypeResolver> all_{google::protobuf::util::NewTypeResolverForDescriptorPool(
      kTypes, google::protobuf::DescriptorPool::generated_pool())};
};

google::protobuf::util::Status Print(const google::protobuf::Message& message,
                                     const google::protobuf::util::JsonPrintOptions& options,
                                     const LeftOutFields& left_out, std::string* json) {
  if (left_out.empty()) {
    return google::protobuf::util::MessageToJsonString(message, json, options);
  }
  ReducedTypes types(left_out);
  return google::protobuf::util::BinaryToJsonString(
      &types, absl::StrCat(kTypes, "/", message.GetDescriptor()->full_name()),
      message.SerializeAsString(), json, options);
}

}  // namespace

absl::StatusOr<std::string> JsonText(const google::protobuf::Message& message, JsonLayout layout,
                                     const LeftOutFields& left_out) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = layout == JsonLayout::kIndented;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = Print(message, options, left_out, &json);
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat(
        "cannot print an answer as JSON: ", std::string(status.message()), "; try -o table"));
  }
  while (!json.empty() && json.back() == '\n') json.pop_back();
  json += '\n';
  return json;
}

absl::Status WriteJson(const google::protobuf::Message& message, JsonLayout layout, Output& output,
                       const LeftOutFields& left_out) {
  const absl::StatusOr<std::string> json = JsonText(message, layout, left_out);
  return json.ok() ? output.Write(*json) : json.status();
}

}  // namespace sockhost::client
