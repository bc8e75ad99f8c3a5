#include "memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

absl::Status Failed(absl::string_view call) {
  const int error = errno;
  const bool is_limit = error == EMFILE || error == ENFILE;
  return Error(is_limit ? Reason::kFD_LIMIT : Reason::kINTERNAL,
               absl::StrCat("a file in memory: ", call, ": ", DescribeErrno(error)));
}

}  // namespace

MemoryFile::~MemoryFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status MemoryFile::Replace(absl::string_view content, int64_t version) {
  int fresh = memfd_create("sockhost", MFD_CLOEXEC);
  if (fresh < 0) return Failed("memfd_create");
  const absl::Cleanup close_fresh = [&fresh] {
    if (fresh >= 0) close(fresh);
  };
  while (!content.empty()) {
    const ssize_t written = write(fresh, content.data(), content.size());
    if (written < 0) return Failed("write");
    content.remove_prefix(static_cast<size_t>(written));
  }
  const timespec times[] = {{version, 0}, {version, 0}};
  if (futimens(fresh, times) != 0) return Failed("futimens");
  if (fd_ < 0) {
    fd_ = std::exchange(fresh, -1);
    return absl::OkStatus();
  }
  // Under the old number, and with it the old path.
  return dup3(fresh, fd_, O_CLOEXEC) >= 0 ? absl::OkStatus() : Failed("dup3");
}

std::string MemoryFile::path() const { return absl::StrCat("/proc/self/fd/", fd_); }

}  // namespace sockhost
