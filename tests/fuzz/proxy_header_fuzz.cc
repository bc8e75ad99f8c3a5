// ProxyHeader: whatever the two addresses are, the header is one of version 2, and says them.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "require.h"
#include "server/proxy_header.h"

using sockhost::Require;

namespace {

constexpr size_t kFixedBytes = 16;

sockaddr_storage AddressFrom(const uint8_t* data, size_t size) {
  sockaddr_storage address{};
  std::memcpy(&address, data, size < sizeof(sockaddr_in6) ? size : sizeof(sockaddr_in6));
  constexpr sa_family_t kFamilies[] = {AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
  address.ss_family = kFamilies[size > 0 ? data[0] % 4 : 3];
  return address;
}

bool HasFamily(const sockaddr_storage& a, const sockaddr_storage& b, sa_family_t family) {
  return a.ss_family == family && b.ss_family == family;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const size_t half = size / 2;
  const sockaddr_storage source = AddressFrom(data, half);
  const sockaddr_storage destination = AddressFrom(data + half, size - half);
  const std::string header = sockhost::ProxyHeader(source, destination);
  Require(header.size() >= kFixedBytes, "the fixed part is there");
  Require(std::memcmp(header.data(), "\r\n\r\n\0\r\nQUIT\n", 12) == 0, "the signature is there");
  Require(header[12] == 0x21, "it is version 2, command PROXY");
  const auto length =
      static_cast<size_t>(static_cast<uint8_t>(header[14]) << 8 | static_cast<uint8_t>(header[15]));
  Require(header.size() == kFixedBytes + length, "the length is that of the addresses");
  switch (header[13]) {
    case 0x00:
      Require(length == 0, "no family, no addresses");
      break;
    case 0x11:
      Require(length == 12, "two addresses and ports of IPv4");
      break;
    case 0x21:
      Require(length == 36, "two addresses and ports of IPv6");
      break;
    default:
      Require(false, "the family is one of three");
  }
  if (HasFamily(source, destination, AF_INET)) {
    const auto& from = reinterpret_cast<const sockaddr_in&>(source);
    Require(std::memcmp(header.data() + kFixedBytes, &from.sin_addr, 4) == 0, "the source is said");
    Require(std::memcmp(header.data() + kFixedBytes + 8, &from.sin_port, 2) == 0, "and its port");
  }
  return 0;
}
