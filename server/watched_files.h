// Files that may be replaced while the daemon runs.
#ifndef SOCKHOST_SERVER_WATCHED_FILES_H_
#define SOCKHOST_SERVER_WATCHED_FILES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sockhost {

// Sees by stat(2) that files were replaced or rewritten: looking costs nothing
// that is worth an inotify instance, and sees what is behind symbolic links.
//
// Thread rule: one thread at a time.
class WatchedFiles {
 public:
  // Empty paths are left out.
  explicit WatchedFiles(std::vector<std::string> paths);

  // True once after a change, when the files are as they were at the call before:
  // whoever writes them has finished.
  bool TakeChange();

  // To be called again and again. After a change calls `reload`, and again as long as that fails:
  // after 1 call of this, 2, 4, ... at last each 32, because what is wrong (no fd was free) may
  // not show in the files. Returns what it said, unless it has said so of this change before.
  std::optional<absl::Status> Follow(const std::function<absl::Status()>& reload);

 private:
  struct Stamp {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t size = -1;
    int64_t change_nanos = 0;
    bool operator==(const Stamp&) const = default;
  };

  std::vector<Stamp> Stamps() const;

  std::vector<std::string> paths_;
  std::vector<Stamp> taken_;
  std::vector<Stamp> last_;
  // What the last reload said, if it has failed; how many calls to let pass before the next one,
  // and how many of them are left.
  absl::Status failure_;
  int pause_ = 0;
  int left_ = 0;
};

// The content of a regular file of at most 1 MiB, or of one behind links. Error: FIELD_INVALID,
// with the path.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_WATCHED_FILES_H_
