#include "sockhost/socket_address.h"

#include <arpa/inet.h>
#include <endian.h>
#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
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

// Without the NUL at the end of a path, or at the beginning of an abstract name.
constexpr size_t kMaxNameLength = sizeof(sockaddr_un::sun_path) - 1;

constexpr absl::string_view kExpected =
    "expected tcp://HOST:PORT or udp://HOST:PORT with a literal IPv4 address or an IPv6 address "
    "in brackets, e.g. tcp://127.0.0.1:8080 or udp://[::1]:0; or unix:///PATH, unixgram:///PATH, "
    "unix:@NAME";

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  const std::string shown = absl::CHexEscape(text.substr(0, kMaxTextLength));
  return Error(Reason::kADDRESS_INVALID,
               absl::StrCat("address \"", shown, "\": ", why, "; ", kExpected),
               {{"address", shown}});
}

// By hand: inet_ntop, or StrCat with its nine pieces, takes as long as all the rest of a list's
// row.
std::string Ipv4Text(absl::string_view scheme, const uint8_t (&bytes)[16], uint16_t port) {
  char text[sizeof("tcp://255.255.255.255:65535")];
  char* end = std::copy(scheme.begin(), scheme.end(), text);
  for (int i = 0; i < 4; ++i) {
    end = std::to_chars(end, std::end(text), bytes[i]).ptr;
    *end++ = i < 3 ? '.' : ':';
  }
  return std::string(text, std::to_chars(end, std::end(text), port).ptr);
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

// Of a name of a unix socket: shown as it is, and read back.
bool IsPlain(absl::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '\\';
  });
}

std::string Printable(absl::string_view name) {
  return IsPlain(name) ? std::string(name) : absl::CHexEscape(name);
}

}  // namespace

static_assert(sizeof(SocketAddress) == 24);

void SocketAddress::ClearName() {
  name_.~shared_ptr();
  std::memset(bytes_, 0, sizeof(bytes_));
  family_ = AF_UNSPEC;
}

void SocketAddress::SetName(absl::string_view name) {
  new (&name_) std::shared_ptr<const std::string>(std::make_shared<const std::string>(name));
  family_ = AF_UNIX;
}

bool SocketAddress::operator==(const SocketAddress& other) const {
  if (family_ != other.family_ || protocol_ != other.protocol_) return false;
  if (is_unix()) return *name_ == *other.name_;
  return port_ == other.port_ && scope_id_ == other.scope_id_ &&
         std::equal(bytes_, bytes_ + sizeof(bytes_), other.bytes_);
}

absl::StatusOr<SocketAddress> SocketAddress::ParseUnix(absl::string_view text, Protocol protocol,
                                                       absl::string_view name) {
  const bool is_abstract = absl::ConsumePrefix(&name, "@");
  if (!is_abstract && name.substr(0, 2) == "//") name.remove_prefix(2);
  if (name.empty()) return Invalid(text, "no name");
  if (!is_abstract && name.front() != '/') return Invalid(text, "the path is not absolute");
  if (name.size() > kMaxNameLength) return Invalid(text, "the name is longer than 107 bytes");
  if (!IsPlain(name)) {
    return Invalid(text, "the name holds other characters than printable ASCII, or a backslash");
  }
  SocketAddress out;
  out.protocol_ = protocol;
  out.SetName(is_abstract ? absl::StrCat(absl::string_view("\0", 1), name) : std::string(name));
  return out;
}

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
  } else if (absl::ConsumePrefix(&rest, "unix:")) {
    return ParseUnix(text, Protocol::kUnixStream, rest);
  } else if (absl::ConsumePrefix(&rest, "unixgram:")) {
    return ParseUnix(text, Protocol::kUnixDatagram, rest);
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
  } else if (length > offsetof(sockaddr_un, sun_path) && address->sa_family == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, address, std::min<size_t>(length, sizeof(un)));
    const size_t size = std::min<size_t>(length, sizeof(un)) - offsetof(sockaddr_un, sun_path);
    // The length of a path may count its NUL, and what lies behind it.
    const bool is_abstract = un.sun_path[0] == '\0';
    const size_t end = is_abstract ? size : strnlen(un.sun_path, size);
    if (end > 0) out.SetName({un.sun_path, end});
  }
  return out;
}

Protocol ProtocolOfSocket(int fd) {
  int domain = 0;
  int type = 0;
  socklen_t length = sizeof(int);
  int protocol = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0) {
    return Protocol::kNone;
  }
  if (domain == AF_UNIX && type == SOCK_STREAM) return Protocol::kUnixStream;
  if (domain == AF_UNIX && type == SOCK_DGRAM) return Protocol::kUnixDatagram;
  if (domain != AF_INET && domain != AF_INET6) return Protocol::kNone;
  // Not by the type: SCTP has streams too, and raw sockets send datagrams of any protocol.
  if (type == SOCK_STREAM && protocol == IPPROTO_TCP) return Protocol::kTcp;
  if (type == SOCK_DGRAM && protocol == IPPROTO_UDP) return Protocol::kUdp;
  return Protocol::kNone;
}

SocketAddress SocketAddress::OfSocket(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  int type = 0;
  socklen_t type_length = sizeof(type);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) != 0 ||
      (type != SOCK_STREAM && type != SOCK_DGRAM)) {
    return {};
  }
  const bool is_stream = type == SOCK_STREAM;
  Protocol protocol = is_stream ? Protocol::kTcp : Protocol::kUdp;
  if (storage.ss_family == AF_UNIX) {
    protocol = is_stream ? Protocol::kUnixStream : Protocol::kUnixDatagram;
  }
  return From(protocol, reinterpret_cast<sockaddr*>(&storage), length);
}

std::optional<uint32_t> SocketAddress::Ipv4Host() const {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool mapped = family_ == AF_INET6 && std::equal(kMapped, kMapped + 12, bytes_);
  if (family_ != AF_INET && !mapped) return std::nullopt;
  uint32_t address = 0;
  std::memcpy(&address, bytes_ + (mapped ? 12 : 0), sizeof(address));
  return ntohl(address);
}

uint64_t SocketAddress::SourceKey() const {
  // No IPv6 source is in ff00::/8, which is multicast.
  constexpr uint64_t kIpv4 = 0xff00'0000'0000'0000;
  if (const std::optional<uint32_t> host = Ipv4Host()) return kIpv4 | *host;
  if (is_unix()) return 0;
  uint64_t prefix = 0;
  std::memcpy(&prefix, bytes_, sizeof(prefix));
  return be64toh(prefix);
}

bool SocketAddress::is_wildcard() const {
  return std::all_of(std::begin(bytes_), std::end(bytes_), [](uint8_t b) { return b == 0; });
}

bool SocketAddress::Overlaps(const SocketAddress& other) const {
  if (is_unix() || other.is_unix()) {
    if (!is_unix() || !other.is_unix() || *name_ != *other.name_) return false;
    // A path is one file, whatever lies there; an abstract name stands for each type.
    return protocol_ == other.protocol_ || !path().empty();
  }
  if (protocol_ != other.protocol_ || port_ != other.port_) return false;
  const std::optional<uint32_t> host = Ipv4Host();
  const std::optional<uint32_t> other_host = other.Ipv4Host();
  // [::] takes IPv4 traffic too; no other IPv6 address meets an IPv4 one.
  if (host.has_value() != other_host.has_value()) return (host ? other : *this).is_wildcard();
  if (host) return *host == *other_host || *host == INADDR_ANY || *other_host == INADDR_ANY;
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
  if (is_unix()) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, name_->data(), name_->size());
    std::memcpy(&out, &un, sizeof(un));
    const bool is_abstract = name_->front() == '\0';
    // A path from the kernel may fill the array, without a NUL.
    const size_t length = offsetof(sockaddr_un, sun_path) + name_->size() + (is_abstract ? 0 : 1);
    return static_cast<socklen_t>(std::min(length, sizeof(un)));
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

std::string SocketAddress::path() const {
  return is_unix() && name_->front() != '\0' ? *name_ : "";
}

std::string SocketAddress::ToString() const {
  if (empty()) return "";
  if (is_unix()) {
    const absl::string_view unix_scheme =
        protocol_ == Protocol::kUnixDatagram ? "unixgram:" : "unix:";
    const absl::string_view name = *name_;
    if (name.front() == '\0') {
      return absl::StrCat(unix_scheme, "@", Printable(name.substr(1)));
    }
    return absl::StrCat(unix_scheme, "//", Printable(name));
  }
  const absl::string_view scheme = protocol_ == Protocol::kUdp ? "udp://" : "tcp://";
  if (family_ == AF_INET) return Ipv4Text(scheme, bytes_, port_);
  char host[INET6_ADDRSTRLEN];
  inet_ntop(family_, bytes_, host, sizeof(host));
  std::string zone;
  if (scope_id_ != 0) {
    char name[IF_NAMESIZE];
    zone = if_indextoname(scope_id_, name) ? absl::StrCat("%", name) : absl::StrCat("%", scope_id_);
  }
  return absl::StrCat(scheme, "[", host, zone, "]:", port_);
}

}  // namespace sockhost
