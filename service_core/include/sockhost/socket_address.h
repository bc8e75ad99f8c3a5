// Addresses of sockets: their text form and the kernel's form.
#ifndef SOCKHOST_SOCKET_ADDRESS_H_
#define SOCKHOST_SOCKET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

enum class Protocol : uint8_t { kNone, kTcp, kUdp, kUnixStream, kUnixDatagram };

// An IP address and port with a protocol. A small value type.
//
// Text form: `tcp://HOST:PORT` or `udp://HOST:PORT`; HOST is a literal IPv4
// address or a literal IPv6 address in brackets, with %zone (RFC 4007) where it
// is link-local. Parse and ToString are inverse up to the spelling of numbers
// (RFC 5952 for IPv6).
class SocketAddress {
 public:
  SocketAddress() = default;

  // Reads the text form. Error: ADDRESS_INVALID with what is wrong.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);

  // From the kernel's form; kNone and empty text for another family.
  static SocketAddress From(Protocol protocol, const sockaddr* address, socklen_t length);

  Protocol protocol() const { return protocol_; }
  int family() const { return family_; }
  uint16_t port() const { return port_; }
  bool is_datagram() const { return protocol_ == Protocol::kUdp; }
  // True for 0.0.0.0 and ::, which stand for every address of the host.
  bool is_wildcard() const;
  bool empty() const { return family_ == AF_UNSPEC; }

  // Fills `out` and returns its length, for bind(2) and connect(2).
  socklen_t ToSockaddr(sockaddr_storage& out) const;

  // The text form; "" for an empty address.
  std::string ToString() const;

  // True if a socket at one address keeps another one from being bound to the
  // other: same protocol and port, and the same host or a wildcard.
  bool Overlaps(const SocketAddress& other) const;

  bool operator==(const SocketAddress&) const = default;

 private:
  // 24 bytes: two of these stand in every slot of the socket table.
  uint8_t bytes_[16] = {};
  uint32_t scope_id_ = 0;
  uint16_t port_ = 0;
  uint8_t family_ = AF_UNSPEC;
  Protocol protocol_ = Protocol::kNone;
};

}  // namespace sockhost

#endif  // SOCKHOST_SOCKET_ADDRESS_H_
