// The listening sockets of the admin API.
#ifndef SOCKHOST_SERVER_ADMIN_LISTENING_SOCKET_H_
#define SOCKHOST_SERVER_ADMIN_LISTENING_SOCKET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "admin_address.h"
#include "admin_peer.h"

namespace sockhost {

// One listening socket, and its file where it has one. One owner, no locking.
class AdminListeningSocket {
 public:
  // A unix socket is for owner and group (0660). A file that a dead daemon left
  // is replaced; one of a living daemon is ADDRESS_IN_USE. Its folder must be there, only that
  // of the default address is made. Errors also:
  // BIND_NOT_PERMITTED, INTERNAL.
  static absl::StatusOr<AdminListeningSocket> Open(const AdminAddress& address);

  AdminListeningSocket(AdminListeningSocket&& other) noexcept;
  AdminListeningSocket& operator=(AdminListeningSocket&&) = delete;
  // Closes it, and removes the file if it is still ours.
  ~AdminListeningSocket();

  int fd() const { return fd_; }
  AdminPeer::Transport transport() const { return transport_; }
  // With the port that the kernel chose.
  const std::string& address() const { return address_; }

 private:
  AdminListeningSocket(int fd, AdminPeer::Transport transport) : fd_(fd), transport_(transport) {}

  absl::Status BindUnix(const std::string& path);
  absl::Status BindTcp(const AdminAddress& address);

  int fd_;
  const AdminPeer::Transport transport_;
  std::string address_;
  std::string path_;
  // Of the file at `path_`, so that only our own is removed.
  uint64_t inode_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_LISTENING_SOCKET_H_
