#include "client/error_text.h"

#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/display_text.h"
#include "client/list_flags.h"
#include "client/rpc_error.h"

namespace sockhost::client {
namespace {

struct Hint {
  absl::string_view reason;
  absl::string_view text;
};

// What the daemon cannot know: the verbs and flags of sockctl, other tools. The
// reasons that are missing here say in their own message what to do.
constexpr Hint kHints[] = {
    {"NAME_INVALID", "give the id or the full name: web or listeners/web, 12 or sockets/12"},
    {"FILTER_INVALID", "--help of the verb shows an example"},
    {"PAGE_TOKEN_INVALID", "the daemon was restarted while it was listing: try again"},
    {"LISTENER_NOT_FOUND", "'sockctl listener list' shows the listeners there are"},
    {"SOCKET_NOT_FOUND",
     "it was closed, or the daemon was restarted; 'sockctl socket list' shows the sockets"},
    {"ADDRESS_IN_USE",
     "'ss -tulnp' (unix sockets: 'ss -xlp') on the daemon's host shows who listens where"},
    {"BIND_NOT_PERMITTED", "use a port from 1024 up, or give sockhostd the missing capability"},
    {"LISTENER_BUSY", "--force closes its connections too"},
    {"ETAG_MISMATCH", "'sockctl listener get' shows it with its new etag"},
    {"SERVICE_THREAD_STALLED",
     "a handler does not return: the log of sockhostd names its service; try again later"},
    {"ROLE_REQUIRED", "whoever runs sockhostd gives roles: see --roles in 'sockhostd --help'"},
    {"AUDIT_UNAVAILABLE",
     "the disk of the audit log may be full: the daemon changes nothing until it can write again"},
    {"SHUTTING_DOWN", "the daemon is stopping: try again when it is back"},
    {"INTERNAL", "this should not happen: the log of sockhostd says more; please report it"},
};

struct FilterExample {
  absl::string_view verb;
  // No string_view: g++ 12 with UndefinedBehaviorSanitizer makes no constant of one of an array.
  const char* filter;
};

constexpr FilterExample kFilters[] = {
    {"listener list", kListenerFilter}, {"service list", kServiceFilter},
    {"socket list", kSocketFilter},     {"watch", kSocketFilter},
    {"events", kEventFilter},
};

std::string HintFor(absl::string_view reason, absl::string_view verb) {
  for (const FilterExample& example : kFilters) {
    if (reason == "FILTER_INVALID" && example.verb == verb) {
      return absl::StrCat("write e.g. '", example.filter, "'");
    }
  }
  return std::string(HintOf(reason));
}

void AppendLine(std::string* text, absl::string_view key, absl::string_view value) {
  absl::StrAppend(text, "  ", Printable(key), ": ", Printable(value), "\n");
}

// Whether `message` contains `value` as words of its own.
bool Mentions(absl::string_view message, absl::string_view value) {
  const auto is_word = [message](size_t at) {
    return at < message.size() && absl::ascii_isalnum(static_cast<unsigned char>(message[at]));
  };
  for (size_t at = message.find(value); at != message.npos; at = message.find(value, at + 1)) {
    if ((at == 0 || !is_word(at - 1)) && !is_word(at + value.size())) return true;
  }
  return false;
}

void AppendWrongFields(std::string* text, const google::rpc::Status& details) {
  google::rpc::BadRequest bad_request;
  for (const auto& detail : details.details()) {
    if (!detail.UnpackTo(&bad_request)) continue;
    for (const auto& violation : bad_request.field_violations()) {
      if (violation.description() == details.message()) {
        AppendLine(text, "field", violation.field());  // the first line has said the rest
      } else {
        AppendLine(text, violation.field(), violation.description());
      }
    }
  }
}

void AppendErrorInfo(std::string* text, const google::rpc::Status& details,
                     const google::rpc::ErrorInfo& info, absl::string_view verb) {
  // A map of messages has no order; a std::map has.
  for (const auto& [key, value] : std::map(info.metadata().begin(), info.metadata().end())) {
    if (!Mentions(details.message(), value)) AppendLine(text, key, value);
  }
  const std::string hint = HintFor(info.reason(), verb);
  if (info.domain() == kDaemonDomain && !hint.empty()) AppendLine(text, "hint", hint);
}

}  // namespace

absl::string_view HintOf(absl::string_view reason) {
  for (const Hint& hint : kHints) {
    if (hint.reason == reason) return hint.text;
  }
  return "";
}

std::string ErrorText(const absl::Status& status, absl::string_view verb) {
  std::string text = absl::StrCat("sockctl: ", Printable(status.message()));
  const auto info = ErrorInfoOf(status);
  if (info.has_value() && !info->reason().empty()) {
    absl::StrAppend(&text, " (", Printable(info->reason()), ")");
  }
  text += '\n';
  const auto details = DetailsOf(status);
  if (details.has_value()) AppendWrongFields(&text, *details);
  if (info.has_value()) AppendErrorInfo(&text, *details, *info, verb);
  return text;
}

}  // namespace sockhost::client
