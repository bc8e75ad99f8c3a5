// The file at which a unix socket is found.
#ifndef SOCKHOST_SERVICE_CORE_UNIX_SOCKET_FILE_H_
#define SOCKHOST_SERVICE_CORE_UNIX_SOCKET_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace sockhost {

// Which file lies at a path: another one that takes its place is told from it, also if it gets
// the same inode.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;  // 0: there is none
  int64_t changed_nanos = 0;

  bool operator==(const FileIdentity&) const = default;
};

// Of `path` itself, where that is a link. Any thread; may wait for the disk.
FileIdentity FileAt(const std::string& path);

// Removes the file of a socket that we bound when it goes, unless another file has
// taken its place. Any thread.
class UnixSocketFile {
 public:
  UnixSocketFile() = default;
  // `path` was bound by us just now.
  explicit UnixSocketFile(std::string path);
  ~UnixSocketFile() { Remove(); }
  UnixSocketFile(UnixSocketFile&& other) noexcept;
  UnixSocketFile& operator=(UnixSocketFile&& other) noexcept;

  const std::string& path() const { return path_; }
  void Remove();

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Tells in `is_stale` whether a socket lies at `path` on which nobody answers: left behind by a
// process that was killed. Returns 0, or an errno that says why no socket can be bound there:
// EADDRINUSE for a socket that is in use, EEXIST for a file that is no socket. `type` is
// SOCK_STREAM or SOCK_DGRAM.
int LookForStaleSocket(const std::string& path, int type, bool& is_stale);

// Removes such a socket. Returns as above, or why it cannot be removed. The caller has the
// UnixSocketLock.
int RemoveStaleSocket(const std::string& path, int type);

// 0, or the errno for which the stale socket at `path` could not be removed, which stays.
int ProbeRemoval(const std::string& path);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_UNIX_SOCKET_FILE_H_
