// Text as it is shown to people: escaped, measured, with units. Pure functions.
#ifndef SOCKHOST_CLIENT_DISPLAY_TEXT_H_
#define SOCKHOST_CLIENT_DISPLAY_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sockhost::client {

// Whether `text` is valid UTF-8, which is what proto3 strings must hold.
bool IsUtf8(absl::string_view text);

// `text` with every control character (C0, DEL, C1) and every byte that is not
// UTF-8 written as \xNN, so that no text of a server can steer a terminal.
std::string Printable(absl::string_view text);

// Columns that printable text takes: its code points.
size_t DisplayWidth(absl::string_view text);

// The first `width` columns of printable text.
absl::string_view CutToWidth(absl::string_view text, size_t width);

// Printable text in at most `width` columns: what is too long gets an ellipsis in its
// middle, so that an address keeps its port.
std::string ShortenedTo(absl::string_view text, size_t width);

// An age in its two largest units: 7s, 3m12s, 4h5m, 2d3h. Negative is 0s.
std::string AgeText(absl::Duration age);

// A rate per second: one decimal below ten, whole up to 9999, then 12.3k, 4.5M.
// Rates are quotients of samples; counters are never shortened like this.
std::string RateText(double per_second);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_DISPLAY_TEXT_H_
