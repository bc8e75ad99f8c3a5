#include "admin_listening_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "sockhost/unix_socket_lock.h"

namespace sockhost {
namespace {

// A full queue refuses who connects to a unix socket without waiting, as gRPC does. The kernel
// caps it by net.core.somaxconn.
constexpr int kBacklog = 4096;
// Owner and group: who may read and write the socket may drive the host.
constexpr mode_t kSocketMode = 0660;

absl::Status CannotListen(absl::string_view where, absl::string_view call, int error_number,
                          absl::string_view advice) {
  const bool in_use = error_number == EADDRINUSE;
  const bool denied = error_number == EACCES || error_number == EPERM;
  const Reason reason = in_use   ? Reason::kADDRESS_IN_USE
                        : denied ? Reason::kBIND_NOT_PERMITTED
                                 : Reason::kINTERNAL;
  return Error(reason, absl::StrCat("cannot open the admin address ", where, ": ", call, ": ",
                                    DescribeErrno(error_number), advice));
}

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  path.copy(out.sun_path, sizeof(out.sun_path) - 1);
  return out;
}

// True if a process answers at `path`.
bool IsAlive(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un address = UnixAddress(path);
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const bool refused = result != 0 && errno == ECONNREFUSED;
  close(fd);
  return !refused;
}

// Removes the socket file of a daemon that is gone. Never another kind of file.
absl::Status RemoveStaleSocket(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return absl::OkStatus();
  const std::string where = absl::StrCat("unix:", path);
  if (!S_ISSOCK(status.st_mode)) {
    return CannotListen(where, "bind", EADDRINUSE,
                        "; the path is a file that is no socket: remove it, or choose another");
  }
  if (IsAlive(path)) {
    return CannotListen(where, "bind", EADDRINUSE,
                        "; another daemon answers there: stop it, or choose another --admin");
  }
  unlink(path.c_str());
  return absl::OkStatus();
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// The folder of the default address is on a tmpfs, and gone after each boot. One that somebody
// names is theirs: a path with a wrong letter must not become a folder.
void MakeFolderOfDefault(const std::string& path) {
  // EEXIST is the usual answer; any other error shows when binding.
  if (path == kDefaultAdminPath) mkdir(FolderOf(path).c_str(), 0755);
}

std::string BindAdvice(const std::string& path, int error_number) {
  if (error_number != ENOENT) {
    return "; the folder must be writable, or choose another --admin";
  }
  return absl::StrCat("; there is no folder ", FolderOf(path),
                      ": make it, or choose another --admin");
}

uint64_t InodeOf(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

AdminPeer::Transport TransportOf(const AdminAddress& address) {
  if (address.is_unix()) return AdminPeer::Transport::kUnix;
  return address.tls ? AdminPeer::Transport::kTls : AdminPeer::Transport::kTcp;
}

}  // namespace

absl::StatusOr<AdminListeningSocket> AdminListeningSocket::Open(const AdminAddress& address) {
  const std::string where = address.ToString();
  // Until it listens.
  std::optional<UnixSocketLock> lock;
  if (address.is_unix()) {
    MakeFolderOfDefault(address.path);
    lock.emplace(address.path);
    if (lock->is_taken()) {
      return CannotListen(where, "bind", EADDRINUSE,
                          "; another daemon opens it at this moment: stop it, or choose another "
                          "--admin");
    }
    if (absl::Status status = RemoveStaleSocket(address.path); !status.ok()) return status;
  }
  const int family = address.is_unix() ? AF_UNIX : address.tcp.family();
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return CannotListen(where, "socket", errno, "");
  AdminListeningSocket out(fd, TransportOf(address));
  const absl::Status bound = address.is_unix() ? out.BindUnix(address.path) : out.BindTcp(address);
  if (!bound.ok()) return bound;
  if (listen(fd, kBacklog) != 0) return CannotListen(where, "listen", errno, "");
  return out;
}

AdminListeningSocket::AdminListeningSocket(AdminListeningSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      transport_(other.transport_),
      address_(std::move(other.address_)),
      path_(std::move(other.path_)),
      inode_(std::exchange(other.inode_, 0)) {}

AdminListeningSocket::~AdminListeningSocket() {
  // First: another daemon replaces the file of one that has closed its socket.
  const bool ours = inode_ != 0 && InodeOf(path_) == inode_;
  if (ours) unlink(path_.c_str());
  if (fd_ >= 0) close(fd_);
}

absl::Status AdminListeningSocket::BindUnix(const std::string& path) {
  address_ = absl::StrCat("unix:", path);
  const sockaddr_un address = UnixAddress(path);
  // The mode is right from the first moment: nobody can connect in between.
  const mode_t old_mask = umask(0777 & ~kSocketMode);
  const int bound = bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int bind_error = errno;
  umask(old_mask);
  if (bound != 0) {
    return CannotListen(address_, "bind", bind_error, BindAdvice(path, bind_error));
  }
  path_ = path;
  inode_ = InodeOf(path);
  return absl::OkStatus();
}

absl::Status AdminListeningSocket::BindTcp(const AdminAddress& address) {
  const int on = 1;
  // Not SO_REUSEPORT: a second daemon would silently share the port.
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_storage storage;
  socklen_t length = address.tcp.ToSockaddr(storage);
  if (bind(fd_, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return CannotListen(address.ToString(), "bind", errno, "; choose another --admin");
  }
  length = sizeof(storage);
  getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length);
  AdminAddress bound = address;
  bound.tcp = SocketAddress::From(Protocol::kTcp, reinterpret_cast<sockaddr*>(&storage), length);
  address_ = bound.ToString();
  return absl::OkStatus();
}

}  // namespace sockhost
