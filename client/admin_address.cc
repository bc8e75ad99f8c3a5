#include "client/admin_address.h"

#include <sys/un.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace sockhost::client {
namespace {

constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\": ", why,
                   ": write unix:PATH, unix:@NAME (abstract), tls://HOST:PORT or tcp://HOST:PORT"));
}

// gRPC reads targets as URIs.
std::string PercentEncoded(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-._~/:[]", c)) {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

absl::StatusOr<AdminAddress> UnixAddress(absl::string_view text, absl::string_view path) {
  if (path.empty() || path == "@") return Invalid(text, "the path is missing");
  if (path.size() > kLongestPath) {
    return Invalid(text, absl::StrCat("the path is longer than ", kLongestPath, " bytes"));
  }
  AdminAddress address{
      .text = std::string(text), .target = "", .unix_path = std::string(path), .tls = false};
  address.target = absl::ConsumePrefix(&path, "@")
                       ? absl::StrCat("unix-abstract:", PercentEncoded(path))
                       : absl::StrCat("unix:", PercentEncoded(path));
  return address;
}

absl::StatusOr<AdminAddress> TcpAddress(absl::string_view text, absl::string_view host_and_port) {
  const size_t colon = host_and_port.rfind(':');
  if (colon == absl::string_view::npos) return Invalid(text, "the port is missing");
  const absl::string_view host = host_and_port.substr(0, colon);
  const absl::string_view port = host_and_port.substr(colon + 1);
  int32_t number = 0;
  if (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535) {
    return Invalid(text, "the port must be 1 to 65535");
  }
  const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  const absl::string_view inner = bracketed ? host.substr(1, host.size() - 2) : host;
  if (inner.empty()) return Invalid(text, "the host is missing");
  if (!bracketed && absl::StrContains(inner, ':')) {
    return Invalid(text, "an IPv6 address stands in brackets");
  }
  if (inner.find_first_of("/[]@?# ") != absl::string_view::npos) {
    return Invalid(text, "this is no host name or address");
  }
  return AdminAddress{.text = std::string(text),
                      .target = absl::StrCat("dns:///", PercentEncoded(host), ":", number),
                      .unix_path = "",
                      .tls = absl::StartsWith(text, "tls://")};
}

}  // namespace

absl::StatusOr<AdminAddress> ParseAdminAddress(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix-abstract:")) {
    return UnixAddress(text, absl::StrCat("@", rest));
  }
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (absl::StartsWith(rest, "///")) rest.remove_prefix(2);
    if (absl::StartsWith(rest, "//")) return Invalid(text, "after unix:// the path begins with /");
    return UnixAddress(text, rest);
  }
  if (absl::StartsWith(rest, "/")) return UnixAddress(text, rest);
  if (absl::ConsumePrefix(&rest, "tls://")) return TcpAddress(text, rest);
  if (absl::ConsumePrefix(&rest, "tcp://")) return TcpAddress(text, rest);
  if (absl::StrContains(rest, "://")) return Invalid(text, "no scheme that sockctl speaks");
  return TcpAddress(text, rest);
}

}  // namespace sockhost::client
