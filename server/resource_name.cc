#include "resource_name.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sockhost/error.h"
#include "sockhost/listener_config.h"

namespace sockhost {
namespace {

constexpr size_t kShownLength = 128;

absl::Status Invalid(absl::string_view collection, absl::string_view name, absl::string_view what) {
  const std::string shown = absl::CHexEscape(name.substr(0, kShownLength));
  return Error(Reason::kNAME_INVALID,
               absl::StrCat("name \"", shown, "\": expected ", collection, "/", what),
               {{"name", shown}}, "name");
}

}  // namespace

std::string ListenerName(absl::string_view id) { return absl::StrCat("listeners/", id); }
std::string SocketName(SocketId id) { return absl::StrCat("sockets/", id); }
std::string ServiceName(absl::string_view id) { return absl::StrCat("services/", id); }

absl::StatusOr<std::string> ParseName(absl::string_view collection, absl::string_view name) {
  absl::string_view id = name;
  const bool matches = absl::ConsumePrefix(&id, collection) && absl::ConsumePrefix(&id, "/");
  if (!matches || id.empty() || id.find('/') != absl::string_view::npos) {
    return Invalid(collection, name, "ID");
  }
  return std::string(id);
}

absl::StatusOr<std::string> ParseListenerName(absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName("listeners", name);
  if (id.ok() && !IsListenerId(*id)) {
    return Invalid("listeners", name, "ID of lower-case letters, digits and '-'");
  }
  return id;
}

absl::StatusOr<SocketId> ParseSocketName(absl::string_view name) {
  const absl::StatusOr<std::string> text = ParseName("sockets", name);
  if (!text.ok()) return text.status();
  SocketId id = 0;
  // Only the canonical spelling: no sign, no leading zero, no blanks.
  if (!absl::SimpleAtoi(*text, &id) || id <= 0 || absl::StrCat(id) != *text) {
    return Invalid("sockets", name, "NUMBER with a positive decimal number");
  }
  return id;
}

absl::string_view ServiceId(absl::string_view service) {
  return absl::StripPrefix(service, "services/");
}

}  // namespace sockhost
