#include "admin_acceptor.h"

#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int kBacklog = 128;
constexpr int kPauseMs = 100;
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

// Makes the folder of the default address, which is on a tmpfs.
void MakeParentFolder(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  // EEXIST is the usual answer; any other error shows when binding.
  if (!folder.empty()) mkdir(folder.c_str(), 0755);
}

uint64_t InodeOf(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

AdminAcceptor::AdminAcceptor(size_t max_connections)
    : max_connections_(max_connections), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

AdminAcceptor::~AdminAcceptor() {
  StopListening();
  ShutdownConnections();
  close(epoll_);
}

// ---- Listening ---------------------------------------------------------------

absl::StatusOr<std::string> AdminAcceptor::Listen(const AdminAddress& address) {
  return address.is_unix() ? ListenUnix(address.path) : ListenTcp(address.tcp);
}

absl::StatusOr<std::string> AdminAcceptor::ListenUnix(const std::string& path) {
  const std::string where = absl::StrCat("unix:", path);
  MakeParentFolder(path);
  if (absl::Status status = RemoveStaleSocket(path); !status.ok()) return status;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return CannotListen(where, "socket", errno, "");
  listening_.push_back({fd, path, 0});
  const sockaddr_un address = UnixAddress(path);
  // The mode is right from the first moment: nobody can connect in between.
  const mode_t old_mask = umask(0777 & ~kSocketMode);
  const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int bind_error = errno;
  umask(old_mask);
  if (bound != 0) {
    return CannotListen(where, "bind", bind_error,
                        "; the folder must exist and be writable, or choose another --admin");
  }
  listening_.back().inode = InodeOf(path);
  if (listen(fd, kBacklog) != 0) return CannotListen(where, "listen", errno, "");
  if (absl::Status status = Watch(fd, EPOLLIN); !status.ok()) return status;
  return where;
}

absl::StatusOr<std::string> AdminAcceptor::ListenTcp(const SocketAddress& address) {
  const std::string where = address.ToString();
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return CannotListen(where, "socket", errno, "");
  listening_.push_back({fd, "", 0});
  const int on = 1;
  // Not SO_REUSEPORT: a second daemon would silently share the port.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_storage storage;
  socklen_t length = address.ToSockaddr(storage);
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return CannotListen(where, "bind", errno, "; choose another --admin");
  }
  if (listen(fd, kBacklog) != 0) return CannotListen(where, "listen", errno, "");
  length = sizeof(storage);
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  if (absl::Status status = Watch(fd, EPOLLIN); !status.ok()) return status;
  return SocketAddress::From(Protocol::kTcp, reinterpret_cast<sockaddr*>(&storage), length)
      .ToString();
}

absl::Status AdminAcceptor::Watch(int fd, uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return Error(Reason::kINTERNAL, absl::StrCat("epoll_ctl: ", DescribeErrno(errno)));
}

void AdminAcceptor::StopListening() {
  for (const ListeningSocket& socket : listening_) {
    close(socket.fd);
    const bool ours = socket.inode != 0 && InodeOf(socket.path) == socket.inode;
    if (ours) unlink(socket.path.c_str());
  }
  listening_.clear();
}

// ---- Connections -------------------------------------------------------------

void AdminAcceptor::Attach(grpc::ServerBuilder& builder) {
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  door_ = builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD,
                                                               grpc::InsecureServerCredentials());
}

int AdminAcceptor::Serve() {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), events.size(), 0);
  bool accept = paused_;
  for (int i = 0; i < count; ++i) {
    const auto connection = connections_.find(events[static_cast<size_t>(i)].data.fd);
    if (connection == connections_.end()) {
      accept = true;
      continue;
    }
    close(*connection);
    connections_.erase(connection);
  }
  if (!accept) return -1;
  paused_ = !std::all_of(listening_.begin(), listening_.end(),
                         [this](const ListeningSocket& socket) { return AcceptAll(socket.fd); });
  return paused_ ? kPauseMs : -1;
}

bool AdminAcceptor::AcceptAll(int listening_fd) {
  while (true) {
    const int fd = accept4(listening_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      HandOver(listening_fd, fd);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return true;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return false;
      default:  // an error of the connection that waited, see accept(2)
        continue;
    }
  }
}

void AdminAcceptor::HandOver(int listening_fd, int fd) {
  const int dup_fd = connections_.size() < max_connections_ ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
  if (dup_fd < 0 || !Watch(dup_fd, EPOLLRDHUP | EPOLLET).ok()) {
    if (dup_fd >= 0) close(dup_fd);
    close(fd);
    return;
  }
  connections_.insert(dup_fd);
  const int on = 1;
  // Fails on unix sockets, which have no such delay.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listening_fd;
  parameters.fd = fd;
  door_->HandleNewConnection(&parameters);
}

void AdminAcceptor::ShutdownConnections() {
  for (const int dup_fd : connections_) {
    shutdown(dup_fd, SHUT_RDWR);
    close(dup_fd);
  }
  connections_.clear();
}

}  // namespace sockhost
