#include "unix_socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "unique_fd.h"

namespace sockhost {
namespace {

// 0 if a socket of `type` answers at `path`.
int TryConnect(const std::string& path, int type) {
  const UniqueFd probe(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  return connect(probe.get(), where, sizeof(address)) == 0 ? 0 : errno;
}

}  // namespace

FileIdentity FileAt(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return {};
  const timespec& changed = status.st_ctim;
  return {status.st_dev, status.st_ino, changed.tv_sec * 1'000'000'000 + changed.tv_nsec};
}

UnixSocketFile::UnixSocketFile(std::string path) : path_(std::move(path)) {
  struct stat status;
  if (lstat(path_.c_str(), &status) != 0) {
    path_.clear();
    return;
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

UnixSocketFile::UnixSocketFile(UnixSocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

UnixSocketFile& UnixSocketFile::operator=(UnixSocketFile&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  path_ = std::exchange(other.path_, {});
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

void UnixSocketFile::Remove() {
  const std::string path = std::exchange(path_, {});
  struct stat status;
  if (path.empty() || lstat(path.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path.c_str());
}

int LookForStaleSocket(const std::string& path, int type, bool& is_stale) {
  is_stale = false;
  struct stat before;
  if (lstat(path.c_str(), &before) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(before.st_mode)) return EEXIST;
  // Only a refusal says that nobody is there; a full queue or a socket of another
  // type says the opposite.
  if (TryConnect(path, type) != ECONNREFUSED) return EADDRINUSE;
  struct stat now;
  if (lstat(path.c_str(), &now) != 0) return errno == ENOENT ? 0 : errno;
  if (now.st_dev != before.st_dev || now.st_ino != before.st_ino) return EADDRINUSE;
  is_stale = true;
  return 0;
}

int RemoveStaleSocket(const std::string& path, int type) {
  bool is_stale = false;
  const int error = LookForStaleSocket(path, type, is_stale);
  if (!is_stale) return error;
  return unlink(path.c_str()) == 0 ? 0 : errno;
}

int ProbeRemoval(const std::string& path) {
  // Needs the same permissions as unlink, which are looked at first, and ends for a socket with
  // ENOTDIR. Nothing else takes the rules of a sticky folder into account.
  if (rmdir(path.c_str()) == 0) return 0;
  return errno == EACCES || errno == EPERM || errno == EROFS ? errno : 0;
}

}  // namespace sockhost
