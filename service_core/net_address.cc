// Addresses as text: the functions of zephyr/net/net_ip.h.
#include <zephyr/net/net_ip.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

namespace {

bool ParsePort(std::string_view text, uint16_t* port) {
  const char* const end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, *port);
  return error == std::errc() && parsed_to == end;
}

bool ParseIpv4(std::string_view host, uint16_t port, sockaddr* addr) {
  sockaddr_in* const out = net_sin(addr);
  if (net_addr_pton(AF_INET, std::string(host).c_str(), &out->sin_addr) != 0) return false;
  out->sin_family = AF_INET;
  out->sin_port = htons(port);
  return true;
}

bool ParseIpv6(std::string_view host, uint16_t port, sockaddr* addr) {
  in6_addr parsed;
  if (net_addr_pton(AF_INET6, std::string(host).c_str(), &parsed) != 0) return false;
  sockaddr_in6* const out = net_sin6(addr);
  *out = {};
  out->sin6_family = AF_INET6;
  out->sin6_addr = parsed;
  out->sin6_port = htons(port);
  return true;
}

}  // namespace

extern "C" {

int net_addr_pton(sa_family_t family, const char* src, void* dst) {
  return inet_pton(family, src, dst) == 1 ? 0 : -EINVAL;
}

char* net_addr_ntop(sa_family_t family, const void* src, char* dst, size_t size) {
  return inet_ntop(family, src, dst, static_cast<socklen_t>(size)) ? dst : nullptr;
}

bool net_ipaddr_parse(const char* str, size_t str_len, struct sockaddr* addr) {
  if (!str || !addr) return false;
  const std::string_view text(str, strnlen(str, str_len));
  uint16_t port = 0;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && (rest[0] != ':' || !ParsePort(rest.substr(1), &port))) return false;
    return ParseIpv6(text.substr(1, close - 1), port, addr);
  }
  const size_t colon = text.find(':');
  if (colon != text.rfind(':')) return ParseIpv6(text, port, addr);
  if (colon == std::string_view::npos) return ParseIpv4(text, port, addr);
  return ParsePort(text.substr(colon + 1), &port) && ParseIpv4(text.substr(0, colon), port, addr);
}

int net_port_set_default(struct sockaddr* addr, uint16_t default_port) {
  in_port_t* port = nullptr;
  if (addr->sa_family == AF_INET) port = &net_sin(addr)->sin_port;
  if (addr->sa_family == AF_INET6) port = &net_sin6(addr)->sin6_port;
  if (!port) return -EINVAL;
  if (*port == 0) *port = htons(default_port);
  return 0;
}

const char* net_family2str(sa_family_t family) {
  switch (family) {
    case AF_UNSPEC:
      return "AF_UNSPEC";
    case AF_INET:
      return "AF_INET";
    case AF_INET6:
      return "AF_INET6";
    case AF_UNIX:
      return "AF_UNIX";
    default:
      return "unknown";
  }
}

size_t net_family2size(sa_family_t family) {
  switch (family) {
    case AF_INET:
      return sizeof(sockaddr_in);
    case AF_INET6:
      return sizeof(sockaddr_in6);
    default:
      return 0;
  }
}

}  // extern "C"
