#include "sockhost/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// Longer input is no address; the limit bounds error messages.
constexpr size_t kMaxTextLength = 128;

constexpr absl::string_view kExpected =
    "expected tcp://HOST:PORT or udp://HOST:PORT with a literal IPv4 address or an IPv6 address "
    "in brackets, e.g. tcp://127.0.0.1:8080 or udp://[::1]:0";

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  const std::string shown = absl::CHexEscape(text.substr(0, kMaxTextLength));
  return Error(Reason::kADDRESS_INVALID,
               absl::StrCat("address \"", shown, "\": ", why, "; ", kExpected),
               {{"address", shown}});
}

std::optional<uint16_t> ParsePort(absl::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  uint32_t port = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

// The interface name or number behind '%'; 0 if it is no number and no such interface is
// there. A number need not be one: a socket outlives its interface, and its address must
// be readable still.
uint32_t ParseZone(absl::string_view zone) {
  const std::string name(zone);
  if (const unsigned index = if_nametoindex(name.c_str()); index != 0) return index;
  // SimpleAtoi takes signs and spaces too.
  if (!std::all_of(name.begin(), name.end(), absl::ascii_isdigit)) return 0;
  uint32_t index = 0;
  return absl::SimpleAtoi(name, &index) ? index : 0;
}

}  // namespace

absl::StatusOr<SocketAddress> SocketAddress::Parse(absl::string_view text) {
  if (text.empty()) return Invalid(text, "empty");
  if (text.size() > kMaxTextLength) return Invalid(text, "too long");
  if (text.find('\0') != absl::string_view::npos) return Invalid(text, "holds a NUL byte");

  SocketAddress out;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "tcp://")) {
    out.protocol_ = Protocol::kTcp;
  } else if (absl::ConsumePrefix(&rest, "udp://")) {
    out.protocol_ = Protocol::kUdp;
  } else {
    return Invalid(text, "no known protocol in front");
  }

  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return Invalid(text, "no port");
  const std::optional<uint16_t> port = ParsePort(rest.substr(colon + 1));
  if (!port) {
    return Invalid(text, absl::StrCat("port \"", absl::CHexEscape(rest.substr(colon + 1)),
                                      "\" is no number from 0 to 65535"));
  }
  out.port_ = *port;

  absl::string_view host = rest.substr(0, colon);
  if (host.empty()) return Invalid(text, "no host");
  if (host.front() != '[') {
    if (inet_pton(AF_INET, std::string(host).c_str(), out.bytes_) != 1) {
      return Invalid(
          text, absl::StrCat("host \"", absl::CHexEscape(host), "\" is no literal IPv4 address"));
    }
    out.family_ = AF_INET;
    return out;
  }

  if (host.size() < 2 || host.back() != ']') return Invalid(text, "no closing bracket");
  host = host.substr(1, host.size() - 2);
  const size_t percent = host.find('%');
  const absl::string_view literal = host.substr(0, percent);
  if (inet_pton(AF_INET6, std::string(literal).c_str(), out.bytes_) != 1) {
    return Invalid(
        text, absl::StrCat("host \"", absl::CHexEscape(literal), "\" is no literal IPv6 address"));
  }
  out.family_ = AF_INET6;
  if (percent != absl::string_view::npos) {
    const absl::string_view zone = host.substr(percent + 1);
    out.scope_id_ = ParseZone(zone);
    if (out.scope_id_ == 0) {
      return Invalid(text, absl::StrCat("no network interface \"", absl::CHexEscape(zone), "\""));
    }
  }
  return out;
}

SocketAddress SocketAddress::From(Protocol protocol, const sockaddr* address, socklen_t length) {
  SocketAddress out;
  out.protocol_ = protocol;
  if (length >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof(in));
    out.family_ = AF_INET;
    out.port_ = ntohs(in.sin_port);
    std::memcpy(out.bytes_, &in.sin_addr, sizeof(in.sin_addr));
  } else if (length >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, address, sizeof(in6));
    out.family_ = AF_INET6;
    out.port_ = ntohs(in6.sin6_port);
    out.scope_id_ = in6.sin6_scope_id;
    std::memcpy(out.bytes_, &in6.sin6_addr, sizeof(in6.sin6_addr));
  }
  return out;
}

bool SocketAddress::is_wildcard() const {
  return std::all_of(std::begin(bytes_), std::end(bytes_), [](uint8_t b) { return b == 0; });
}

bool SocketAddress::Overlaps(const SocketAddress& other) const {
  if (protocol_ != other.protocol_ || port_ != other.port_) return false;
  // [::] takes IPv4 traffic too; no other IPv6 address meets an IPv4 one.
  if (family_ != other.family_) return (family_ == AF_INET6 ? *this : other).is_wildcard();
  if (is_wildcard() || other.is_wildcard()) return true;
  return scope_id_ == other.scope_id_ && std::equal(bytes_, bytes_ + 16, other.bytes_);
}

socklen_t SocketAddress::ToSockaddr(sockaddr_storage& out) const {
  out = {};
  if (family_ == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_);
    std::memcpy(&in.sin_addr, bytes_, sizeof(in.sin_addr));
    std::memcpy(&out, &in, sizeof(in));
    return sizeof(in);
  }
  if (family_ == AF_INET6) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port_);
    in6.sin6_scope_id = scope_id_;
    std::memcpy(&in6.sin6_addr, bytes_, sizeof(in6.sin6_addr));
    std::memcpy(&out, &in6, sizeof(in6));
    return sizeof(in6);
  }
  return 0;
}

std::string SocketAddress::ToString() const {
  if (empty()) return "";
  const absl::string_view scheme = protocol_ == Protocol::kUdp ? "udp://" : "tcp://";
  char host[INET6_ADDRSTRLEN];
  inet_ntop(family_, bytes_, host, sizeof(host));
  if (family_ == AF_INET) return absl::StrCat(scheme, host, ":", port_);
  std::string zone;
  if (scope_id_ != 0) {
    char name[IF_NAMESIZE];
    zone = if_indextoname(scope_id_, name) ? absl::StrCat("%", name) : absl::StrCat("%", scope_id_);
  }
  return absl::StrCat(scheme, "[", host, zone, "]:", port_);
}

}  // namespace sockhost
