#include "watched_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kLargestFile = size_t{1} << 20;
constexpr int kLongestPause = 32;

absl::Status CannotRead(const std::string& path, absl::string_view why) {
  return Error(Reason::kFIELD_INVALID, absl::StrCat("cannot read ", path, ": ", why));
}

}  // namespace

WatchedFiles::WatchedFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {
  std::erase(paths_, "");
  taken_ = last_ = Stamps();
}

bool WatchedFiles::TakeChange() {
  std::vector<Stamp> now = Stamps();
  const bool settled = now == last_;
  last_ = std::move(now);
  if (!settled || last_ == taken_) return false;
  taken_ = last_;
  return true;
}

std::optional<absl::Status> WatchedFiles::Follow(const std::function<absl::Status()>& reload) {
  const bool is_new = TakeChange();
  if (is_new) pause_ = 0;
  const bool is_due = is_new || (!failure_.ok() && --left_ <= 0);
  if (!is_due) return std::nullopt;
  const absl::Status before = std::exchange(failure_, reload());
  if (!failure_.ok()) left_ = pause_ = std::clamp(2 * pause_, 1, kLongestPause);
  if (!is_new && failure_ == before) return std::nullopt;
  return failure_;
}

std::vector<WatchedFiles::Stamp> WatchedFiles::Stamps() const {
  std::vector<Stamp> stamps;
  for (const std::string& path : paths_) {
    struct stat status;
    Stamp& stamp = stamps.emplace_back();
    if (stat(path.c_str(), &status) != 0) continue;
    stamp = {status.st_dev, status.st_ino, status.st_size,
             int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
  }
  return stamps;
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  // Not blocking: the path may lead to a FIFO, which is not waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(path, DescribeErrno(errno));
  // What can be read once, or has no end, is no file that can be read again.
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(fd);
    return CannotRead(path, "no regular file");
  }
  std::string content(kLargestFile + 1, '\0');
  size_t size = 0;
  ssize_t got = 0;
  do {
    got = read(fd, content.data() + size, content.size() - size);
    if (got > 0) size += static_cast<size_t>(got);
  } while (got > 0 || (got < 0 && errno == EINTR));
  const int read_error = got < 0 ? errno : 0;
  close(fd);
  if (read_error != 0) return CannotRead(path, DescribeErrno(read_error));
  if (size > kLargestFile) return CannotRead(path, "larger than 1 MiB");
  content.resize(size);
  return content;
}

}  // namespace sockhost
