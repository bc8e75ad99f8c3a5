// The socket files of this process's own listeners.
#ifndef SOCKHOST_OWN_SOCKET_FILES_H_
#define SOCKHOST_OWN_SOCKET_FILES_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <utility>

#include "sockhost/socket_address.h"

namespace sockhost {

// The address, as it is bound, of the own unix socket that a connection or datagram to `address`
// reaches: by any spelling of its path, a symbolic or a hard link. Any thread; one system call,
// and none while there is no such file or `address` has no path.
std::optional<SocketAddress> OwnSocketAt(const SocketAddress& address);

// The same of the own unix socket whose file lies at `address`, whatever its type.
std::optional<SocketAddress> OwnSocketWithFileAt(const SocketAddress& address);

// While it lives, the file at `address`, which was bound just now, counts as one of ours. Nothing
// for an address without a path. Any thread.
class OwnSocketFile {
 public:
  explicit OwnSocketFile(const SocketAddress& address);
  ~OwnSocketFile();
  OwnSocketFile(const OwnSocketFile&) = delete;
  OwnSocketFile& operator=(const OwnSocketFile&) = delete;

  // By device and inode. One socket may have been passed to us twice.
  using Files = std::multimap<std::pair<dev_t, ino_t>, SocketAddress>;

 private:
  std::optional<Files::const_iterator> entry_;
};

}  // namespace sockhost

#endif  // SOCKHOST_OWN_SOCKET_FILES_H_
