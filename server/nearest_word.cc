#include "nearest_word.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sockhost {

size_t EditDistance(absl::string_view a, absl::string_view b) {
  // row[j]: distance of the prefix of `a` seen so far and the first j of `b`.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string NearestWord(absl::string_view word, const std::vector<std::string>& candidates) {
  // Also bounds the work for a word that somebody made very long.
  constexpr size_t kMaxWordLength = 128;
  if (word.size() > kMaxWordLength) return "";
  std::string nearest;
  size_t smallest = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    if (distance >= smallest) continue;
    smallest = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace sockhost
