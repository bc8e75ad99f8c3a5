// How a fuzz target says that an input broke a promise.
#ifndef SOCKHOST_TESTS_FUZZ_REQUIRE_H_
#define SOCKHOST_TESTS_FUZZ_REQUIRE_H_

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"

namespace sockhost {

// Unlike assert(), also in optimized builds.
inline void Require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

inline void RequirePrintable(absl::string_view text) {
  Require(std::all_of(text.begin(), text.end(),
                      [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); }),
          "errors are printable");
}

// What holds for every error that a parser of ours returns.
inline ErrorDetail RequireParseError(const absl::Status& status, Reason reason) {
  // A little more than what escaping makes of the longest input that is shown.
  constexpr size_t kLongestMessage = 1400;
  Require(status.message().size() <= kLongestMessage, "errors are short");
  RequirePrintable(status.message());
  const std::optional<ErrorDetail> detail = DetailOf(status);
  Require(detail.has_value() && detail->reason == reason, "errors have their reason");
  for (const auto& [name, value] : detail->metadata) {
    Require(value.size() <= kLongestMessage, "metadata is short");
    RequirePrintable(value);
  }
  return *detail;
}

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_FUZZ_REQUIRE_H_
