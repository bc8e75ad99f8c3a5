#include "page.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "filter_syntax.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int32_t kDefaultSize = 1000;
constexpr int32_t kMostSize = 10000;
// Longer than any token of ours: nine texts as long as a path may be (a service's owner is
// one), and what is around them, in base64.
constexpr size_t kMaxTokenLength = 65536;

// FNV-1a, 64 bits: the same in every process, so a token outlives a restart.
std::string FingerprintOf(absl::string_view call) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : call) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

// The fingerprint, then each text of the key behind its length.
std::string Pack(absl::string_view call, const std::vector<std::string>& key) {
  std::string out = FingerprintOf(call);
  for (const std::string& text : key) {
    out += static_cast<char>(text.size() >> 8 & 0xff);
    out += static_cast<char>(text.size() & 0xff);
    out += text;
  }
  return out;
}

std::optional<std::vector<std::string>> Unpack(absl::string_view call, absl::string_view packed) {
  const std::string fingerprint = FingerprintOf(call);
  if (packed.substr(0, fingerprint.size()) != fingerprint) return std::nullopt;
  packed.remove_prefix(fingerprint.size());
  std::vector<std::string> key;
  while (packed.size() >= 2) {
    const size_t size = static_cast<size_t>(static_cast<unsigned char>(packed[0])) << 8 |
                        static_cast<unsigned char>(packed[1]);
    packed.remove_prefix(2);
    if (size > packed.size()) return std::nullopt;
    key.emplace_back(packed.substr(0, size));
    packed.remove_prefix(size);
  }
  if (!packed.empty() || key.empty()) return std::nullopt;
  return key;
}

}  // namespace

absl::StatusOr<Page> ParsePage(absl::string_view call, int32_t page_size,
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
  std::string packed;
  if (page_token.size() <= kMaxTokenLength && absl::WebSafeBase64Unescape(page_token, &packed)) {
    if (auto key = Unpack(call, packed)) {
      page.after = *std::move(key);
      return page;
    }
  }
  return PageTokenError(page_token);
}

std::string NextPageToken(absl::string_view call, const std::vector<std::string>& last_key) {
  return absl::WebSafeBase64Escape(Pack(call, last_key));
}

absl::Status PageTokenError(absl::string_view page_token) {
  return Error(Reason::kPAGE_TOKEN_INVALID,
               absl::StrCat("page_token ", QuoteForMessage(page_token),
                            " was not given by a call with these fields, of which page_size alone "
                            "may change; begin again without a token"),
               {}, "page_token");
}

}  // namespace sockhost
