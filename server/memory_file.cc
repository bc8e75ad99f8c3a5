#include "memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "logging.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

absl::Status Failed(absl::string_view call) {
  const int error = errno;
  const std::string what =
      absl::StrCat("cannot hold a file in memory: ", call, ": ", DescribeErrno(error));
  if (error == EMFILE || error == ENFILE) {
    return Error(Reason::kFD_LIMIT,
                 absl::StrCat(what, "; raise the limit of open files (RLIMIT_NOFILE)"),
                 {{"setting", "RLIMIT_NOFILE"}});
  }
  return Error(Reason::kINTERNAL,
               absl::StrCat(what,
                            "; free memory, or raise the memory limit of the daemon, and "
                            "load the files again"));
}

}  // namespace

absl::StatusOr<MemoryContent> MemoryContent::Make(absl::string_view content, int64_t version) {
  MemoryContent out(memfd_create("sockhost", MFD_CLOEXEC));
  if (out.fd_ < 0) return Failed("memfd_create");
  while (!content.empty()) {
    const ssize_t written = write(out.fd_, content.data(), content.size());
    if (written < 0) return Failed("write");
    content.remove_prefix(static_cast<size_t>(written));
  }
  const timespec times[] = {{version, 0}, {version, 0}};
  if (futimens(out.fd_, times) != 0) return Failed("futimens");
  return out;
}

MemoryContent::~MemoryContent() {
  if (fd_ >= 0) close(fd_);
}

MemoryFile::~MemoryFile() {
  if (fd_ >= 0) close(fd_);
}

void MemoryFile::Replace(MemoryContent content) {
  if (fd_ < 0) {
    fd_ = std::exchange(content.fd_, -1);
    return;
  }
  // Under the old number, and with it the old path. Both numbers are open, and nobody else
  // uses them: dup3(2) has no error for that.
  if (dup3(content.fd_, fd_, O_CLOEXEC) >= 0) return;
  LogLine(LogLevel::kError, absl::StrCat("bug: dup3 of a file in memory: ", DescribeErrno(errno)));
  std::abort();
}

std::string MemoryFile::path() const { return absl::StrCat("/proc/self/fd/", fd_); }

}  // namespace sockhost
