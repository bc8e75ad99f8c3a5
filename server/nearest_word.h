// What a mistyped word was meant to be.
#ifndef SOCKHOST_SERVER_NEAREST_WORD_H_
#define SOCKHOST_SERVER_NEAREST_WORD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sockhost {

// Insertions, deletions and replacements of single characters between both
// (Levenshtein).
size_t EditDistance(absl::string_view a, absl::string_view b);

// The candidate with the least insertions, deletions and replacements of single
// characters, the first of several; empty if none is within a third of the
// word's length. (sockctl has its own: it links nothing of the daemon.)
std::string NearestWord(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_NEAREST_WORD_H_
