#include "audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "json_string.h"
#include "logging.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// Owner writes, group reads.
constexpr mode_t kFileMode = 0640;
// More than any line, but that of a certificate with hundreds of names, and room for many
// at once.
constexpr off_t kLongestLine = 16 << 10;
constexpr off_t kReservation = 256 << 10;
// Of stat(2).
constexpr int64_t kBlock = 512;

// More than any name that is valid. A client may send a MiB, whether it has a role or not.
constexpr size_t kLongestText = 256;

constexpr size_t kLongestCharacter = 4;

// No character is cut in two.
std::string Cut(absl::string_view text) {
  if (text.size() <= kLongestText) return std::string(text);
  const auto continues = [&](size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  size_t size = kLongestText;
  while (size > kLongestText - kLongestCharacter && continues(size)) --size;
  return absl::StrCat(text.substr(0, size), "...");
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

void AppendField(std::string& out, absl::string_view name, absl::string_view value) {
  if (!value.empty()) absl::StrAppend(&out, ",\"", name, "\":", JsonString(Cut(value)));
}

void AppendPeer(std::string& out, const AdminPeer& peer) {
  AppendField(out, "transport", TransportName(peer.transport));
  if (peer.transport == AdminPeer::Transport::kUnix) {
    absl::StrAppend(&out, ",\"uid\":", peer.uid, ",\"gid\":", peer.gid, ",\"pid\":", peer.pid);
    return;
  }
  if (peer.transport == AdminPeer::Transport::kTls) {
    // A certificate may hold any bytes.
    absl::StrAppend(&out, ",\"names\":[",
                    absl::StrJoin(peer.names, ",",
                                  [](std::string* list, const std::string& name) {
                                    list->append(JsonString(absl::CHexEscape(name)));
                                  }),
                    "]");
  }
  AppendField(out, "address", peer.address);
}

std::string EventLine(absl::string_view event, int64_t lost) {
  return absl::StrCat("{\"time\":\"", TimeText(absl::Now()), "\",\"event\":\"", event,
                      "\",\"daemon_pid\":", getpid(),
                      lost > 0 ? absl::StrCat(",\"lost_lines\":", lost) : "", "}");
}

}  // namespace

std::string JsonOf(const AuditEntry& entry) {
  const bool denied = entry.reason == ReasonName(Reason::kROLE_REQUIRED);
  std::string out = absl::StrCat("{\"time\":\"", TimeText(entry.time), "\",\"event\":\"",
                                 denied ? "denied" : "call", "\"");
  if (entry.caller.peer) AppendPeer(out, *entry.caller.peer);
  AppendField(out, "role", RoleName(entry.caller.role));
  AppendField(out, "method", absl::StripPrefix(entry.method, "/"));
  AppendField(out, "resource", entry.resource);
  AppendField(out, "request_id", entry.request_id);
  if (entry.validate_only) out += ",\"validate_only\":true";
  AppendField(out, "code", entry.code);
  AppendField(out, "reason", entry.reason);
  if (entry.suppressed > 0) absl::StrAppend(&out, ",\"suppressed\":", entry.suppressed);
  return out + "}";
}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(std::string file, bool fail_closed) {
  std::unique_ptr<AuditLog> out(new AuditLog(std::move(file), fail_closed));
  absl::MutexLock lock(&out->mutex_);
  absl::Status status = out->ReopenIfMoved();
  if (status.ok()) status = out->WriteLine(EventLine("opened", 0));
  if (!status.ok()) return Error(Reason::kFIELD_INVALID, status.message());
  return out;
}

AuditLog::AuditLog(std::string file, bool fail_closed)
    : file_(std::move(file)), fail_closed_(fail_closed) {}

AuditLog::~AuditLog() {
  if (fd_ >= 0) close(fd_);
}

absl::Status AuditLog::Failed(absl::string_view call, int error_number) const {
  return Error(Reason::kAUDIT_UNAVAILABLE,
               absl::StrCat("cannot write the audit log ", file_, ": ", call, ": ",
                            DescribeErrno(error_number)),
               {{"file", file_}});
}

absl::Status AuditLog::Ready() {
  if (!fail_closed_) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  absl::Status status = ReopenIfMoved();
  if (status.ok()) status = ReportLost();
  if (status.ok()) status = Reserve();
  LogReadiness(status);
  return status;
}

// Once for each change: calls that are refused may come thousands a second.
void AuditLog::LogReadiness(const absl::Status& status) {
  if (status.ok() == !is_refusing_) return;
  is_refusing_ = !status.ok();
  if (is_refusing_) {
    LogLine(LogLevel::kError, "no line can be written: calls that change something are refused",
            {{"error", status.message()}});
  } else {
    LogLine(LogLevel::kInfo, "the audit log can be written: calls are no longer refused",
            {{"file", file_}});
  }
}

absl::Status AuditLog::Write(const AuditEntry& entry) {
  const std::string line = JsonOf(entry);
  absl::MutexLock lock(&mutex_);
  absl::Status status = ReopenIfMoved();
  if (status.ok()) status = ReportLost();
  if (status.ok()) status = WriteLine(line);
  if (status.ok()) return status;
  if (lost_++ == 0) LogLine(LogLevel::kError, status.message());
  return status;
}

// Who rotates logs renames the file and may not tell. If no new one can be
// opened, the old one still serves, unless it is removed: nobody would find its lines.
absl::Status AuditLog::ReopenIfMoved() {
  struct stat ours;
  struct stat named;
  const bool open_now = fd_ >= 0 && fstat(fd_, &ours) == 0;
  const bool same = open_now && stat(file_.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
                    ours.st_ino == named.st_ino;
  if (same) return absl::OkStatus();
  // Not blocking: the path may lead to a FIFO.
  const int fd =
      open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, kFileMode);
  if (fd < 0) {
    const bool serves = open_now && ours.st_nlink > 0;
    return serves ? absl::OkStatus() : Failed("open", errno);
  }
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  reserved_ = 0;
  torn_ = false;
  return absl::OkStatus();
}

// Makes sure that the line of a call that has not begun yet will find room.
absl::Status AuditLog::Reserve() {
  struct stat status;
  if (fstat(fd_, &status) != 0) return Failed("fstat", errno);
  // Who truncates the file in place, to rotate it, gives back what was reserved.
  if (int64_t{status.st_blocks} * kBlock < reserved_) reserved_ = 0;
  if (!S_ISREG(status.st_mode) || status.st_size + kLongestLine <= reserved_) {
    return absl::OkStatus();
  }
  // A disk that is almost full takes this line all the same.
  for (const off_t size : {kReservation, kLongestLine}) {
    if (fallocate(fd_, FALLOC_FL_KEEP_SIZE, status.st_size, size) == 0) {
      reserved_ = status.st_size + size;
      return absl::OkStatus();
    }
    if (errno != ENOSPC && errno != EDQUOT) break;
  }
  // A file system that cannot reserve: the line itself will tell.
  return errno == EOPNOTSUPP ? absl::OkStatus() : Failed("fallocate", errno);
}

absl::Status AuditLog::ReportLost() {
  if (lost_ == 0) return absl::OkStatus();
  if (absl::Status status = WriteLine(EventLine("resumed", lost_)); !status.ok()) return status;
  LogLine(LogLevel::kWarning,
          absl::StrCat("the audit log ", file_, " is written again; lost lines: ", lost_));
  lost_ = 0;
  return absl::OkStatus();
}

absl::Status AuditLog::WriteLine(absl::string_view line) {
  // One call, so that lines of other processes do not get in between.
  const std::string whole = absl::StrCat(torn_ ? "\n" : "", line, "\n");
  ssize_t written = 0;
  do {
    written = write(fd_, whole.data(), whole.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(whole.size())) {
    torn_ = false;
    return absl::OkStatus();
  }
  if (written < 0) return Failed("write", errno);
  if (!TakeBack(written)) torn_ = true;
  return Failed("write", ENOSPC);
}

// Cuts off the `size` bytes that were written last, so that every line is whole; false if that
// is not possible, or another process has written behind them.
bool AuditLog::TakeBack(ssize_t size) {
  // With O_APPEND the offset is where the last write has ended.
  const off_t end = lseek(fd_, 0, SEEK_CUR);
  struct stat status;
  if (end < size || fstat(fd_, &status) != 0 || status.st_size != end) return false;
  // What is reserved behind the end goes with it.
  reserved_ = 0;
  return ftruncate(fd_, end - size) == 0;
}

}  // namespace sockhost
