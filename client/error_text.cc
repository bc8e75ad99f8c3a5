#include "client/error_text.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/display_text.h"
#include "client/rpc_error.h"

namespace sockhost::client {
namespace {

struct Hint {
  absl::string_view reason;
  absl::string_view text;
};

// One row per reason of sockhost/v1/admin.proto that a user can act on.
constexpr Hint kHints[] = {
    {"LISTENER_ID_INVALID",
     "an id has 1 to 63 lower-case letters, digits and '-', begins with a letter and does not end "
     "with '-'"},
    {"NAME_INVALID", "give the id or the full name: web or listeners/web, 12 or sockets/12"},
    {"ADDRESS_INVALID",
     "write tcp://HOST:PORT or udp://HOST:PORT, e.g. tcp://127.0.0.1:0, udp://[::1]:7, tcp://*:80"},
    {"SERVICE_INVALID", "'sockctl service list' shows the services there are"},
    {"FIELD_INVALID", "'sockctl listener create --help' shows what each flag takes"},
    {"FILTER_INVALID", "write e.g. 'role = CONNECTION AND listener = web AND fd > 9'"},
    {"PAGE_TOKEN_INVALID", "the daemon was restarted while it was listing: try again"},
    {"INTERVAL_INVALID", "--interval takes 100ms to 1h"},
    {"LISTENER_NOT_FOUND", "'sockctl listener list' shows the listeners there are"},
    {"SOCKET_NOT_FOUND",
     "it was closed, or the daemon was restarted; 'sockctl socket list' shows the sockets"},
    {"SERVICE_NOT_FOUND", "'sockctl service list' shows the services there are"},
    {"LISTENER_EXISTS",
     "choose another name, or 'sockctl listener delete' the one that is there first"},
    {"ADDRESS_IN_USE", "choose another port (0: the kernel chooses); 'ss -tulnp' shows its owner"},
    {"BIND_NOT_PERMITTED", "use a port from 1024 up, or give sockhostd the missing capability"},
    {"ADDRESS_NOT_AVAILABLE", "'ip address' on the daemon's host shows the addresses it has"},
    {"LISTENER_BUSY", "--force closes its connections too"},
    {"ETAG_MISMATCH", "read it again with 'sockctl listener get' and decide anew"},
    {"FD_LIMIT", "raise the setting named above, or close something first"},
    {"SOCKET_LIMIT", "raise the setting named above, or close something first"},
    {"LISTENER_LIMIT", "raise the setting named above, or delete a listener first"},
    {"WATCH_LIMIT", "raise the setting named above, or end another watch first"},
    {"SERVICE_THREAD_STALLED",
     "a handler does not return: the log of sockhostd names its service; try again later"},
    {"SHUTTING_DOWN", "the daemon is stopping: try again when it is back"},
    {"INTERNAL", "the log of sockhostd says more; this should not happen: please report it"},
};

void AppendLine(std::string* text, absl::string_view key, absl::string_view value) {
  absl::StrAppend(text, "  ", Printable(key), ": ", Printable(value), "\n");
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

void AppendErrorInfo(std::string* text, const google::rpc::ErrorInfo& info) {
  // A map of messages has no order; a std::map has.
  for (const auto& [key, value] : std::map(info.metadata().begin(), info.metadata().end())) {
    AppendLine(text, key, value);
  }
  const absl::string_view hint = HintOf(info.reason());
  if (info.domain() == kDaemonDomain && !hint.empty()) AppendLine(text, "hint", hint);
}

}  // namespace

absl::string_view HintOf(absl::string_view reason) {
  for (const Hint& hint : kHints) {
    if (hint.reason == reason) return hint.text;
  }
  return "";
}

std::string ErrorText(const absl::Status& status) {
  std::string text = absl::StrCat("sockctl: ", Printable(status.message()));
  const auto info = ErrorInfoOf(status);
  if (info.has_value() && !info->reason().empty()) {
    absl::StrAppend(&text, " (", Printable(info->reason()), ")");
  }
  text += '\n';
  if (const auto details = DetailsOf(status)) AppendWrongFields(&text, *details);
  if (info.has_value()) AppendErrorInfo(&text, *info);
  return text;
}

}  // namespace sockhost::client
