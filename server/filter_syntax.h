// The syntax of filters, without any knowledge of fields.
//
// The language of ListSocketsRequest.filter, a subset of AIP-160
// (https://google.aip.dev/160):
//
//   filter      = [ conjunction ]
//   conjunction = term { "AND" term }
//   term        = [ "NOT" | "-" ] ( comparison | "(" conjunction ")" )
//   comparison  = field operator value
//   field       = 1 or more of the letters, digits, _ and .
//   operator    = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"
//   value       = 1 or more of the letters, digits, _ - . / : and *, if it is no keyword
//               | text in double quotes, in which \" \\ and \* stand for " \ and *
//
// Blanks may stand between any two of these. Behind a value stands a blank, ")" or
// the end.
#ifndef SOCKHOST_SERVER_FILTER_SYNTAX_H_
#define SOCKHOST_SERVER_FILTER_SYNTAX_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// The contract's limit: bounds what a request costs before anything is known
// about it.
inline constexpr size_t kMaxFilterBytes = 4096;
// Parentheses inside one another. Parser and matcher recurse once per level.
inline constexpr int kMaxFilterDepth = 32;
// Each comparison may run for each socket of each sample of a watch.
inline constexpr size_t kMaxFilterComparisons = 100;

enum class FilterOperator {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kHas,
};

// As it is written: "=", "!=", ...
absl::string_view OperatorText(FilterOperator op);

// The right side of a comparison.
struct FilterValue {
  // The text, cut at each wildcard: `a*b` is {"a", "b"}, `*` is {"", ""}.
  std::vector<std::string> pieces;
  // Where it stands in the filter, in bytes from 0, quotes included.
  size_t offset = 0;

  bool has_wildcard() const { return pieces.size() > 1; }
  // `*` alone.
  bool is_wildcard() const { return has_wildcard() && pieces == std::vector<std::string>(2); }
  // The text of a value without wildcards.
  const std::string& text() const { return pieces.front(); }
};

struct FilterComparison {
  bool negated = false;
  std::string field;
  size_t field_offset = 0;
  FilterOperator op = FilterOperator::kEqual;
  size_t op_offset = 0;
  FilterValue value;
};

// Holds if every comparison holds and none of the conjunctions in `refused`.
// Parentheses that are not negated change nothing and leave no trace.
struct FilterConjunction {
  std::vector<FilterComparison> comparisons;
  std::vector<FilterConjunction> refused;
};

// Reads `text`; empty if there is nothing but blanks in it. Error:
// FILTER_INVALID, see FilterError.
absl::StatusOr<FilterConjunction> ParseFilter(absl::string_view text);

// The error FILTER_INVALID with the metadata `filter` (its beginning, escaped)
// and `position` (column from 1, in bytes), and the field "filter". `why` must be
// printable and short.
absl::Status FilterError(absl::string_view text, size_t offset, absl::string_view why);

// The beginning of `text` in double quotes, for a message: printable and short.
std::string QuoteForMessage(absl::string_view text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FILTER_SYNTAX_H_
