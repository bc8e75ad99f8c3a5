#include "page.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int32_t kDefaultSize = 1000;
constexpr int32_t kMostSize = 10000;
// Longer than any token of ours.
constexpr size_t kMaxTokenLength = 256;

}  // namespace

absl::StatusOr<Page> ParsePage(absl::string_view collection, int32_t page_size,
                               absl::string_view page_token) {
  if (page_size < 0) {
    return Error(Reason::kPAGE_SIZE_INVALID,
                 absl::StrCat("page_size ", page_size, ": use 0 (default ", kDefaultSize,
                              ") or a positive number"),
                 {{"value", absl::StrCat(page_size)}}, "page_size");
  }
  Page page;
  page.size = static_cast<size_t>(page_size == 0 ? kDefaultSize : std::min(page_size, kMostSize));
  if (page_token.empty()) return page;
  std::string decoded;
  absl::string_view key;
  if (page_token.size() <= kMaxTokenLength && absl::WebSafeBase64Unescape(page_token, &decoded)) {
    key = decoded;
    if (absl::ConsumePrefix(&key, absl::StrCat(collection, "/")) && !key.empty()) {
      page.after = std::string(key);
      return page;
    }
  }
  return Error(Reason::kPAGE_TOKEN_INVALID,
               absl::StrCat("page_token \"", absl::CHexEscape(page_token.substr(0, 128)),
                            "\" was not given by this call; begin again without a token"),
               {}, "page_token");
}

std::string NextPageToken(absl::string_view collection, absl::string_view last_key) {
  return absl::WebSafeBase64Escape(absl::StrCat(collection, "/", last_key));
}

}  // namespace sockhost
