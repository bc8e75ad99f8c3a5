// Who opens a unix socket, one at a time.
#ifndef SOCKHOST_UNIX_SOCKET_LOCK_H_
#define SOCKHOST_UNIX_SOCKET_LOCK_H_

#include <string>

namespace sockhost {

// Held by whoever looks whether the socket at `path` is stale, replaces it, and until its own
// one listens: another process that looked in between would see nobody there, and replace that.
// It is a file beside it, "PATH.lock", locked by flock(2) and removed afterwards; one that is
// left behind by a process which was killed means nothing.
//
// Where no such file can be made there is no lock: no socket can be bound there either, and
// bind(2) says why. Any thread, never waits.
class UnixSocketLock {
 public:
  explicit UnixSocketLock(const std::string& path);
  ~UnixSocketLock();
  UnixSocketLock(const UnixSocketLock&) = delete;
  UnixSocketLock& operator=(const UnixSocketLock&) = delete;

  // Another one has it: a socket is being opened at the path.
  bool is_taken() const { return is_taken_; }

 private:
  const std::string file_;
  // -1: not held.
  int fd_ = -1;
  bool is_taken_ = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_UNIX_SOCKET_LOCK_H_
