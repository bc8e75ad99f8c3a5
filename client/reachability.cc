#include "client/reachability.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

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

}  // namespace

Unreachable ExplainUnreachable(const AdminAddress& address, absl::string_view grpc_message) {
  const int error = address.unix_path.empty() ? 0 : ConnectErrno(address.unix_path);
  if (error == EACCES || error == EPERM) {
    return {absl::StrCat("may not connect to ", address.text, ": ", strerror(error)),
            absl::StrCat("run sockctl as root, as the user of sockhostd or as a member of the "
                         "socket's group ('ls -l ",
                         address.unix_path, "' shows both)")};
  }
  if (error != 0) {
    return {absl::StrCat("no sockhostd at ", address.text, ": ", strerror(error)),
            std::string(kStartHint)};
  }
  return {absl::StrCat("no sockhostd at ", address.text, ": ", LastAttempt(grpc_message)),
          std::string(kStartHint)};
}

}  // namespace sockhost::client
