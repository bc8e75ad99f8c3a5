// Texts in JSON.
#ifndef SOCKHOST_SERVER_JSON_STRING_H_
#define SOCKHOST_SERVER_JSON_STRING_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace sockhost {

// `text` as a JSON string (RFC 8259), in quotes, on one line. Bytes that are no
// UTF-8 become U+FFFD, one for each.
std::string JsonString(absl::string_view text);

// How many bytes at the beginning of `text` are UTF-8: all of them, or those before the first that
// is not.
size_t Utf8Prefix(absl::string_view text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_JSON_STRING_H_
