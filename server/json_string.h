// Texts in JSON.
#ifndef SOCKHOST_SERVER_JSON_STRING_H_
#define SOCKHOST_SERVER_JSON_STRING_H_

#include <string>

#include "absl/strings/string_view.h"

namespace sockhost {

// `text` as a JSON string (RFC 8259), in quotes, on one line. Bytes that are no
// UTF-8 become U+FFFD, one for each.
std::string JsonString(absl::string_view text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_JSON_STRING_H_
