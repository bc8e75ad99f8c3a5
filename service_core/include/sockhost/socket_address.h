// Addresses of sockets: their text form and the kernel's form.
#ifndef SOCKHOST_SOCKET_ADDRESS_H_
#define SOCKHOST_SOCKET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

enum class Protocol : uint8_t { kNone, kTcp, kUdp, kUnixStream, kUnixDatagram };

// kNone if `fd` is no socket, or of a protocol that is not known here.
Protocol ProtocolOfSocket(int fd);

// An IP address and port, or the name of a unix socket, with a protocol. A small
// value type; copies share the name.
//
// Text forms: `tcp://HOST:PORT` or `udp://HOST:PORT`; HOST is a literal IPv4
// address or a literal IPv6 address in brackets, with %zone (RFC 4007) where it
// is link-local. `unix:///PATH` (stream) or `unixgram:///PATH` (datagrams);
// `unix:@NAME` and `unixgram:@NAME` in the abstract namespace (unix(7)). Parse and
// ToString are inverse up to the spelling of numbers (RFC 5952 for IPv6).
class SocketAddress {
 public:
  SocketAddress() {}
  SocketAddress(const SocketAddress& other) { CopyFrom(other); }
  SocketAddress(SocketAddress&& other) noexcept { MoveFrom(other); }
  SocketAddress& operator=(const SocketAddress& other) {
    if (this == &other) return *this;
    Clear();
    CopyFrom(other);
    return *this;
  }
  SocketAddress& operator=(SocketAddress&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    MoveFrom(other);
    return *this;
  }
  ~SocketAddress() { Clear(); }

  // Reads the text form. Error: ADDRESS_INVALID with what is wrong.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);

  // From the kernel's form; empty for another family, and for a unix socket
  // without a name.
  static SocketAddress From(Protocol protocol, const sockaddr* address, socklen_t length);

  // Of a socket, as it is bound; empty if it has no address of a kind known here.
  static SocketAddress OfSocket(int fd);

  Protocol protocol() const { return protocol_; }
  int family() const { return family_; }
  uint16_t port() const { return port_; }
  bool is_datagram() const {
    return protocol_ == Protocol::kUdp || protocol_ == Protocol::kUnixDatagram;
  }
  bool is_unix() const { return family_ == AF_UNIX; }
  // True for 0.0.0.0 and ::, which stand for every address of the host.
  bool is_wildcard() const;
  bool empty() const { return family_ == AF_UNSPEC; }

  // Fills `out` and returns its length, for bind(2) and connect(2).
  socklen_t ToSockaddr(sockaddr_storage& out) const;

  // Where the socket of a unix address lies; "" for another address, and for the
  // abstract namespace.
  std::string path() const;

  // The text form; "" for an empty address. Unprintable bytes of a name that came
  // from the kernel are escaped.
  std::string ToString() const;

  // True if a socket at one address keeps another one from being bound to the
  // other: same protocol and port, and the same host (IPv4 also when mapped into
  // IPv6) or a wildcard; or the same name.
  bool Overlaps(const SocketAddress& other) const;

  // Who it is, for limits of one source: the same for all ports of an IPv4 address
  // (also when mapped into IPv6), and of a /64 of IPv6.
  uint64_t SourceKey() const;

  bool operator==(const SocketAddress& other) const;

 private:
  // Of an IPv4 address, also when mapped into IPv6.
  std::optional<uint32_t> Ipv4Host() const;

  // Inline, and names apart: each connection that comes and goes copies addresses some ten times.
  void CopyFrom(const SocketAddress& other) {
    CopyPlain(other);
    if (is_unix()) new (&name_) std::shared_ptr<const std::string>(other.name_);
  }
  // Leaves an address without a name behind.
  void MoveFrom(SocketAddress& other) noexcept {
    CopyPlain(other);
    if (is_unix()) new (&name_) std::shared_ptr<const std::string>(std::move(other.name_));
    other.Clear();
  }
  void Clear() {
    if (is_unix()) ClearName();
  }
  // All but a name; into an address that has none.
  void CopyPlain(const SocketAddress& other) {
    if (!other.is_unix()) std::memcpy(bytes_, other.bytes_, sizeof(bytes_));
    scope_id_ = other.scope_id_;
    port_ = other.port_;
    family_ = other.family_;
    protocol_ = other.protocol_;
  }
  void ClearName();
  void SetName(absl::string_view name);
  static absl::StatusOr<SocketAddress> ParseUnix(absl::string_view text, Protocol protocol,
                                                 absl::string_view name);

  // 24 bytes: one of these stands in every slot of the socket table.
  union {
    uint8_t bytes_[16] = {};
    // While the family is AF_UNIX: as in sockaddr_un, an abstract one with its NUL.
    std::shared_ptr<const std::string> name_;
  };
  uint32_t scope_id_ = 0;
  uint16_t port_ = 0;
  uint8_t family_ = AF_UNSPEC;
  Protocol protocol_ = Protocol::kNone;
};

}  // namespace sockhost

#endif  // SOCKHOST_SOCKET_ADDRESS_H_
