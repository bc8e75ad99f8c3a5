// The syntax of filters, without any knowledge of fields.
//
// The language stands at the top of proto/sockhost/v1/admin.proto, a subset of
// AIP-160 (https://google.aip.dev/160). Blanks may stand between any two of its
// parts. Behind a value stands a blank, ")" or the end.
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

// A part of a filter. Parentheses that change nothing leave no trace: no group
// holds a group of its own kind that is not negated, and only the outermost one
// can have a single member, or none.
struct FilterGroup {
  enum class Kind {
    kAll,  // holds if every member does
    kAny,  // holds if at least one member does
  };

  Kind kind = Kind::kAll;
  bool negated = false;
  std::vector<FilterComparison> comparisons;
  std::vector<FilterGroup> groups;

  size_t size() const { return comparisons.size() + groups.size(); }
};

// Reads `text`; a group of kind kAll that is not negated, empty if there is nothing
// but blanks in the text. Error: FILTER_INVALID, see FilterError.
absl::StatusOr<FilterGroup> ParseFilter(absl::string_view text);

// The error FILTER_INVALID with the metadata `filter` (its beginning, escaped)
// and `position` (column from 1, in bytes), and the field "filter". `why` must be
// printable and short.
absl::Status FilterError(absl::string_view text, size_t offset, absl::string_view why);

// The first `size` bytes of `text`, escaped, for the metadata of an error.
std::string Shorten(absl::string_view text, size_t size);

// The beginning of `text` in double quotes, for a message: printable and short.
std::string QuoteForMessage(absl::string_view text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FILTER_SYNTAX_H_
