#include "event_token.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::string_view kPrefix = "events/";
// Longer than any token of ours.
constexpr size_t kMaxTokenLength = 256;

absl::Status NotOurs(absl::string_view token) {
  return Error(Reason::kRESUME_TOKEN_INVALID,
               absl::StrCat("resume_token \"", absl::CHexEscape(token.substr(0, 128)),
                            "\" was not given by WatchEvents; begin again without a token"),
               {}, "resume_token");
}

}  // namespace

std::string EventToken(absl::string_view instance_id, int64_t sequence) {
  return absl::WebSafeBase64Escape(absl::StrCat(kPrefix, instance_id, "/", sequence));
}

absl::StatusOr<int64_t> ParseEventToken(absl::string_view token, absl::string_view instance_id,
                                        int64_t last) {
  std::string decoded;
  if (token.size() > kMaxTokenLength || !absl::WebSafeBase64Unescape(token, &decoded)) {
    return NotOurs(token);
  }
  absl::string_view text = decoded;
  int64_t sequence = 0;
  if (!absl::ConsumePrefix(&text, kPrefix)) return NotOurs(token);
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, '/');
  const auto& [instance, number] = parts;
  // One spelling: what EventToken makes.
  const bool is_ours = absl::SimpleAtoi(number, &sequence) && sequence >= 0 &&
                       EventToken(instance, sequence) == token;
  if (!is_ours) return NotOurs(token);
  if (instance != instance_id) {
    return Error(Reason::kINSTANCE_CHANGED,
                 absl::StrCat("resume_token is of instance ", absl::CHexEscape(instance),
                              ", this is ", instance_id,
                              ": the host was restarted; read its state anew and begin without a "
                              "token"),
                 {{"instance_id", std::string(instance_id)}}, "resume_token");
  }
  if (sequence > last) return NotOurs(token);
  return sequence;
}

}  // namespace sockhost
