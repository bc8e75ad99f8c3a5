// A file that is nowhere on a disk, for libraries that only read files.
#ifndef SOCKHOST_SERVER_MEMORY_FILE_H_
#define SOCKHOST_SERVER_MEMORY_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// What a MemoryFile is to hold next. Taking it cannot fail, so that several files change
// together or not at all: make all contents first.
class MemoryContent {
 public:
  // The modification time, in seconds, will be `version`. Errors: FD_LIMIT, INTERNAL.
  static absl::StatusOr<MemoryContent> Make(absl::string_view content, int64_t version);

  MemoryContent(MemoryContent&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  MemoryContent& operator=(MemoryContent&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~MemoryContent();

 private:
  friend class MemoryFile;
  explicit MemoryContent(int fd) : fd_(fd) {}

  int fd_;
};

// Its content is replaced as a whole: who opens it gets all of the old or all of the
// new one. This process alone can open it.
//
// Thread rule: one thread replaces, any reads by the path.
class MemoryFile {
 public:
  MemoryFile() = default;
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // `content` has another version each time.
  void Replace(MemoryContent content);
  // Once there is content. Good as long as this object lives.
  std::string path() const;

 private:
  int fd_ = -1;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_MEMORY_FILE_H_
