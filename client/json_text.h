// Canonical proto3 JSON, which is what scripts read.
#ifndef SOCKHOST_CLIENT_JSON_TEXT_H_
#define SOCKHOST_CLIENT_JSON_TEXT_H_

#include <google/protobuf/message.h>

#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/output.h"

namespace sockhost::client {

enum class JsonLayout {
  kIndented,  // several lines
  kOneLine,   // for streams: one object, one line
};

// Names of fields by the full name of their message: {"sockhost.v1.Socket", {"fd"}}.
using LeftOutFields = std::map<std::string, std::set<std::string>>;

// lowerCamelCase names, int64 as strings. Fields without presence are printed
// even if zero or empty, so that a script finds each counter in each object;
// messages that are not set are left out, and so are the fields of `left_out`, of
// which a zero would say what nobody knows. Ends with exactly one line end. Error:
// INTERNAL, where JSON has no form for a value, of a duration or a time out of its range.
absl::StatusOr<std::string> JsonText(const google::protobuf::Message& message, JsonLayout layout,
                                     const LeftOutFields& left_out = {});

// Writes it. Errors: as above, and those of Output::Write.
absl::Status WriteJson(const google::protobuf::Message& message, JsonLayout layout, Output& output,
                       const LeftOutFields& left_out = {});

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_JSON_TEXT_H_
