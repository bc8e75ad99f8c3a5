#include "proxy_header.h"

#include <netinet/in.h>

#include <cstdint>
#include <cstring>

namespace sockhost {
namespace {

constexpr char kSignature[] = "\r\n\r\n\0\r\nQUIT\n";
constexpr char kVersion2Proxy = 0x21;
constexpr char kUnspecified = 0x00;
constexpr char kTcpOverIpv4 = 0x11;
constexpr char kTcpOverIpv6 = 0x21;

bool IsMapped(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 &&
         IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

bool IsIpv4(const sockaddr_storage& address) {
  return address.ss_family == AF_INET || IsMapped(address);
}

// The address in network order: 4 bytes if `as_ipv4`, else 16.
std::string HostBytes(const sockaddr_storage& address, bool as_ipv4) {
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return std::string(reinterpret_cast<const char*>(&in.sin_addr), 4);
  }
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
  const std::string all(reinterpret_cast<const char*>(&in6.sin6_addr), 16);
  return as_ipv4 ? all.substr(12) : all;
}

// At the same place in both families.
std::string PortBytes(const sockaddr_storage& address) {
  const auto& in = reinterpret_cast<const sockaddr_in&>(address);
  return std::string(reinterpret_cast<const char*>(&in.sin_port), 2);
}

}  // namespace

std::string ProxyHeader(const sockaddr_storage& source, const sockaddr_storage& destination) {
  const bool is_ipv4 = IsIpv4(source) && IsIpv4(destination);
  const bool is_ipv6 =
      !is_ipv4 && source.ss_family == AF_INET6 && destination.ss_family == AF_INET6;
  std::string addresses;
  if (is_ipv4 || is_ipv6) {
    addresses = HostBytes(source, is_ipv4) + HostBytes(destination, is_ipv4) + PortBytes(source) +
                PortBytes(destination);
  }
  std::string header(kSignature, sizeof(kSignature) - 1);
  header += kVersion2Proxy;
  header += is_ipv4 ? kTcpOverIpv4 : is_ipv6 ? kTcpOverIpv6 : kUnspecified;
  // Both bytes of the length; it is less than 256.
  header += '\0';
  header += static_cast<char>(addresses.size());
  return header + addresses;
}

}  // namespace sockhost
