#include "client/reachability.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

constexpr absl::string_view kStartHint =
    "start sockhostd, or name its admin address with --host or SOCKCTL_HOST";

// 0 if somebody listens at the unix socket now.
int ConnectErrno(absl::string_view path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const int result = connect(fd, reinterpret_cast<sockaddr*>(&address), length);
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

// gRPC wraps the error of the last attempt: "failed to connect to all
// addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote
// host: Connection refused". Shown as it is if a version words it otherwise.
absl::string_view LastAttempt(absl::string_view grpc_message) {
  for (const absl::string_view mark : {"last error: ", "Failed to connect to remote host: "}) {
    const size_t found = grpc_message.find(mark);
    if (found != absl::string_view::npos) grpc_message.remove_prefix(found + mark.size());
  }
  return grpc_message;
}

// OpenSSL's words for a handshake that failed, and what they mean to people.
struct TlsFailure {
  absl::string_view mark;
  absl::string_view message;
  absl::string_view hint;
};

constexpr TlsFailure kTlsFailures[] = {
    {"certificate verify failed", "its certificate was not signed by an authority of --tls-ca",
     "--tls-ca must hold the authority that signed the daemon's certificate; a certificate that "
     "has expired is refused, too"},
    {"CERTIFICATE_VERIFY_FAILED", "its certificate was not signed by an authority of --tls-ca",
     "--tls-ca must hold the authority that signed the daemon's certificate; a certificate that "
     "has expired is refused, too"},
    {"Hostname Verification Check failed", "its certificate is for another name",
     "use a name or address that the certificate has, or say with --tls-server-name which one is "
     "meant"},
    {"Peer name ", "its certificate is for another name",
     "use a name or address that the certificate has, or say with --tls-server-name which one is "
     "meant"},
    {"wrong version number", "it speaks no TLS", "write tcp:// if it has no access control there"},
    {"WRONG_VERSION_NUMBER", "it speaks no TLS", "write tcp:// if it has no access control there"},
    {"Invalid cert chain file", "--tls-cert cannot be used", "it must be a certificate, PEM"},
    {"Invalid private key", "--tls-key cannot be used", "it must be the key of --tls-cert, PEM"},
};

// The connection ends when the daemon does not like the client's certificate (TLS 1.3
// has no other answer), and when it has no place for one more.
constexpr TlsFailure kRefused = {
    "",
    "it closed the connection: it may not accept the certificate of --tls-cert, or have as many "
    "connections as it may",
    "the certificate must be signed by an authority of the daemon's --tls-client-ca, and not have "
    "expired; the daemon's log says so if its places are taken"};

bool WasClosed(absl::string_view grpc_message) {
  return absl::StrContains(grpc_message, "Socket closed") ||
         absl::StrContains(grpc_message, "onnection reset") ||
         absl::StrContains(grpc_message, "roken pipe") || absl::StrContains(grpc_message, "EOF") ||
         absl::StrContains(grpc_message, "lert");
}

Unreachable ExplainTls(const AdminAddress& address, absl::string_view grpc_message) {
  const auto explain = [&address](const TlsFailure& failure) -> Unreachable {
    return {absl::StrCat("no TLS with ", address.text, ": ", failure.message),
            std::string(failure.hint)};
  };
  for (const TlsFailure& failure : kTlsFailures) {
    if (absl::StrContains(grpc_message, failure.mark)) return explain(failure);
  }
  if (WasClosed(grpc_message)) return explain(kRefused);
  return {absl::StrCat("no sockhostd at ", address.text, ": ", LastAttempt(grpc_message)),
          std::string(kStartHint)};
}

Unreachable ExplainAny(const AdminAddress& address, absl::string_view grpc_message) {
  const int error = address.unix_path.empty() ? 0 : ConnectErrno(address.unix_path);
  if (error == EACCES || error == EPERM) {
    return {absl::StrCat("may not connect to ", address.text, ": ", strerror(error)),
            absl::StrCat("run sockctl as root, as the user of sockhostd or as a member of the "
                         "socket's group ('ls -l ",
                         address.unix_path, "' shows both)")};
  }
  if (address.tls) return ExplainTls(address, grpc_message);
  if (error == 0 && address.unix_path.empty() && WasClosed(grpc_message)) {
    return {absl::StrCat(address.text, " closed the connection: ", LastAttempt(grpc_message)),
            "if the daemon speaks TLS there, write tls://; it may also have too many connections"};
  }
  if (error != 0) {
    return {absl::StrCat("no sockhostd at ", address.text, ": ", strerror(error)),
            std::string(kStartHint)};
  }
  return {absl::StrCat("no sockhostd at ", address.text, ": ", LastAttempt(grpc_message)),
          std::string(kStartHint)};
}

}  // namespace

Unreachable ExplainUnreachable(const AdminAddress& address, absl::string_view grpc_message) {
  Unreachable explained = ExplainAny(address, grpc_message);
  if (address.unix_path.empty() && !absl::StrContains(address.text, "://")) {
    absl::StrAppend(&explained.hint, "; ", address.text, " is tcp://", address.text,
                    ", the other forms are tls://HOST:PORT, unix:PATH and unix:@NAME");
  }
  return explained;
}

}  // namespace sockhost::client
