#include "json_string.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sockhost {
namespace {

uint8_t ByteAt(absl::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// Length of the UTF-8 sequence that `text` begins with, 0 if it is none. The
// bounds of the second byte keep out overlong forms, surrogates and what is above
// U+10FFFF (Unicode, table 3-7).
size_t SequenceLength(absl::string_view text) {
  const uint8_t lead = ByteAt(text, 0);
  const size_t length = lead < 0x80                    ? 1
                        : lead >= 0xC2 && lead <= 0xDF ? 2
                        : lead >= 0xE0 && lead <= 0xEF ? 3
                        : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                       : 0;
  if (length <= 1 || text.size() < length) return length == 1 ? 1 : 0;
  const uint8_t least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (ByteAt(text, 1) < least || ByteAt(text, 1) > most) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (ByteAt(text, i) < 0x80 || ByteAt(text, i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

size_t Utf8Prefix(absl::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const size_t length = SequenceLength(text.substr(size));
    if (length == 0) break;
    size += length;
  }
  return size;
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const uint8_t byte = ByteAt(text, 0);
    const size_t length = SequenceLength(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (byte == '"' || byte == '\\') {
      absl::StrAppend(&out, "\\", text.substr(0, 1));
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      absl::StrAppend(&out, text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + "\"";
}

}  // namespace sockhost
