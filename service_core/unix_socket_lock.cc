#include "sockhost/unix_socket_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system_calls.h"

namespace sockhost {
namespace {

// How often another one may come and go between two calls here.
constexpr int kTries = 10;

// Whoever had the lock has removed the file: what is locked then is not what others find.
bool IsFileAt(const std::string& path, int fd) {
  struct stat locked;
  struct stat found;
  return fstat(fd, &locked) == 0 && lstat(path.c_str(), &found) == 0 &&
         locked.st_dev == found.st_dev && locked.st_ino == found.st_ino;
}

}  // namespace

UnixSocketLock::UnixSocketLock(const std::string& path) : file_(path + ".lock") {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  for (int tries = 0; tries < kTries; ++tries) {
    fd_ = open(file_.c_str(), kFlags, 0600);
    if (fd_ < 0) return;
    const bool is_locked = flock(fd_, LOCK_EX | LOCK_NB) == 0;
    if (is_locked && IsFileAt(file_, fd_)) return;
    CloseFd(fd_);
    fd_ = -1;
    if (!is_locked) break;
  }
  is_taken_ = true;
}

UnixSocketLock::~UnixSocketLock() {
  if (fd_ < 0) return;
  // While it is locked: nobody else's.
  unlink(file_.c_str());
  CloseFd(fd_);
}

}  // namespace sockhost
