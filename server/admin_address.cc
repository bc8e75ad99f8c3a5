#include "admin_address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sockhost/error.h"

namespace sockhost {

std::string AdminAddress::ToString() const {
  if (is_unix()) return absl::StrCat("unix:", path);
  const std::string text = tcp.ToString();
  return tls ? absl::StrCat("tls", text.substr(text.find(':'))) : text;
}

SocketAddress AdminAddress::ToSocketAddress() const {
  if (!is_unix()) return tcp;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return SocketAddress::From(Protocol::kUnixStream, reinterpret_cast<sockaddr*>(&address),
                             sizeof(address));
}

absl::StatusOr<AdminAddress> AdminAddress::Parse(absl::string_view text) {
  AdminAddress out;
  absl::string_view path = text;
  if (!absl::ConsumePrefix(&path, "unix:")) {
    absl::string_view host_and_port = text;
    out.tls = absl::ConsumePrefix(&host_and_port, "tls://");
    absl::StatusOr<SocketAddress> tcp =
        SocketAddress::Parse(out.tls ? absl::StrCat("tcp://", host_and_port) : std::string(text));
    if (!tcp.ok() || tcp->protocol() != Protocol::kTcp) {
      return Error(
          Reason::kADDRESS_INVALID,
          absl::StrCat("admin address \"", absl::CHexEscape(text.substr(0, 128)),
                       "\": expected unix:/absolute/path, tls://HOST:PORT or tcp://HOST:PORT"));
    }
    out.tcp = *tcp;
    return out;
  }
  if (!absl::StartsWith(path, "/") || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(Reason::kADDRESS_INVALID,
                 absl::StrCat("admin address \"", absl::CHexEscape(text.substr(0, 128)),
                              "\": the path must be absolute and shorter than ",
                              sizeof(sockaddr_un::sun_path), " bytes"));
  }
  out.path = std::string(path);
  return out;
}

bool IsLoopback(const SocketAddress& address) {
  sockaddr_storage storage;
  address.ToSockaddr(storage);
  if (address.family() == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &storage, sizeof(in));
    return ntohl(in.sin_addr.s_addr) >> 24 == 127;
  }
  sockaddr_in6 in6;
  std::memcpy(&in6, &storage, sizeof(in6));
  return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

}  // namespace sockhost
