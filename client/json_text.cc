#include "client/json_text.h"

#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstdlib>

namespace sockhost::client {

std::string JsonText(const google::protobuf::Message& message, JsonLayout layout) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = layout == JsonLayout::kIndented;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    // Only an Any of an unknown type or a date outside year 1 to 9999 can fail.
    fprintf(stderr, "sockctl: cannot print a message as JSON: %s\n", status.ToString().c_str());
    abort();
  }
  while (!json.empty() && json.back() == '\n') json.pop_back();
  json += '\n';
  return json;
}

}  // namespace sockhost::client
