// What a mistyped word was meant to be.
#ifndef SOCKHOST_CLIENT_NEAREST_WORD_H_
#define SOCKHOST_CLIENT_NEAREST_WORD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sockhost::client {

// Single-character insertions, deletions and replacements between both (Levenshtein).
size_t EditDistance(absl::string_view a, absl::string_view b);

// The candidate closest to `word`, the first of several; empty if none is close
// enough to be meant: within a third of the word's length, but at least one edit.
std::string NearestWord(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_NEAREST_WORD_H_
