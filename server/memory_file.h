// A file that is nowhere on a disk, for libraries that only read files.
#ifndef SOCKHOST_SERVER_MEMORY_FILE_H_
#define SOCKHOST_SERVER_MEMORY_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sockhost {

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

  // Its modification time, in seconds, is `version`: another one each time. Errors:
  // FD_LIMIT, INTERNAL; then the content is what it was.
  absl::Status Replace(absl::string_view content, int64_t version);
  // Once there is content. Good as long as this object lives.
  std::string path() const;

 private:
  int fd_ = -1;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_MEMORY_FILE_H_
