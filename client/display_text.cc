#include "client/display_text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sockhost::client {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: the text does not begin with a valid sequence
};

// Decodes the first code point of a text that is not empty (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
CodePoint FirstCodePoint(absl::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  uint32_t value = lead & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    value = value << 6 | (next & 0x3F);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {};
  return {value, bytes};
}

bool IsControl(uint32_t value) { return value < 0x20 || (value >= 0x7F && value < 0xA0); }

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    if (first.bytes == 0) return false;
    text.remove_prefix(first.bytes);
  }
  return true;
}

std::string Printable(absl::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    if (first.bytes == 0) {
      absl::StrAppendFormat(&printable, "\\x%02x", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (IsControl(first.value)) {
      absl::StrAppendFormat(&printable, "\\x%02x", first.value);
    } else {
      absl::StrAppend(&printable, text.substr(0, first.bytes));
    }
    text.remove_prefix(first.bytes);
  }
  return printable;
}

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  for (const char byte : text) width += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return width;
}

absl::string_view CutToWidth(absl::string_view text, size_t width) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool starts_code_point = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (starts_code_point && width-- == 0) break;
  }
  return text.substr(0, end);
}

std::string ShortenedTo(absl::string_view text, size_t width) {
  const size_t full = DisplayWidth(text);
  if (full <= width) return std::string(text);
  if (width == 0) return "";
  const size_t head = (width - 1) / 2;
  const size_t tail = width - 1 - head;
  return absl::StrCat(CutToWidth(text, head), "\u2026",
                      text.substr(CutToWidth(text, full - tail).size()));
}

std::string AgeText(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  const int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (days > 0) return absl::StrCat(days, "d", hours % 24, "h");
  if (hours > 0) return absl::StrCat(hours, "h", minutes % 60, "m");
  if (minutes > 0) return absl::StrCat(minutes, "m", seconds % 60, "s");
  return absl::StrCat(seconds, "s");
}

std::string RateText(double per_second) {
  if (per_second == 0) return "0";
  if (std::abs(per_second) < 9.95) return absl::StrFormat("%.1f", per_second);
  if (std::abs(per_second) < 9999.5) return absl::StrFormat("%.0f", per_second);
  constexpr absl::string_view kUnits = "kMGTPE";
  size_t unit = 0;
  double scaled = per_second / 1000;
  while (std::abs(scaled) >= 999.95 && unit + 1 < kUnits.size()) {
    scaled /= 1000;
    ++unit;
  }
  return absl::StrFormat("%.1f%c", scaled, kUnits[unit]);
}

}  // namespace sockhost::client
