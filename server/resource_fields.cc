#include "resource_fields.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "nearest_word.h"

namespace sockhost {
namespace {

constexpr absl::string_view kCounterPrefix = "counters.";

// Without what is most often missed: localAddress is near to local_address, and
// receive_bytes to counters.receive_bytes.
std::string Plain(absl::string_view name) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(name, {{"_", ""}, {kCounterPrefix, ""}}));
}

// The name that was most likely meant; empty if none is near.
absl::string_view Nearest(absl::string_view name, const std::vector<std::string>& names) {
  // Longer than every field, and short enough to be compared with all of them.
  constexpr size_t kLongestName = 64;
  if (name.size() > kLongestName) return {};
  const std::string plain = Plain(name);
  absl::string_view nearest;
  size_t smallest = std::max<size_t>(1, plain.size() / 3) + 1;
  for (const std::string& field : names) {
    // A key is the client's own: only the name of the map can be mistaken.
    const size_t key = field.find(".KEY");
    const size_t distance =
        key == std::string::npos
            ? EditDistance(plain, Plain(field))
            : EditDistance(Plain(name.substr(0, name.find('.'))), Plain(field.substr(0, key)));
    if (distance >= smallest) continue;
    smallest = distance;
    nearest = field;
  }
  return nearest;
}

}  // namespace

std::string DidYouMean(absl::string_view name, const std::vector<std::string>& names) {
  const absl::string_view nearest = Nearest(name, names);
  return nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "?");
}

std::string SuggestField(absl::string_view name, const std::vector<std::string>& names) {
  const std::string guess = DidYouMean(name, names);
  std::vector<absl::string_view> listed;
  for (const std::string& field : names) {
    if (!absl::StartsWith(field, kCounterPrefix)) listed.push_back(field);
  }
  return absl::StrCat(guess, guess.empty() ? "" : " ", "fields are ", absl::StrJoin(listed, ", "),
                      listed.size() == names.size() ? "" : " and counters.NAME");
}

}  // namespace sockhost
