// Who changed what: the audit log.
#ifndef SOCKHOST_SERVER_AUDIT_LOG_H_
#define SOCKHOST_SERVER_AUDIT_LOG_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "access_control.h"

namespace sockhost {

// One line of the log.
struct AuditEntry {
  absl::Time time;
  AccessControl::Caller caller;
  // As gRPC writes it.
  std::string method;
  // "listeners/web"; empty if the method names none.
  std::string resource;
  std::string request_id;
  // The call was to change nothing, but tell whether it could.
  bool validate_only = false;
  // "OK", "NOT_FOUND", ...
  std::string code;
  // "LISTENER_NOT_FOUND"; empty for OK.
  std::string reason;
  // Entries that were left out before this one.
  int64_t suppressed = 0;
};

// {"time":"2026-...Z","event":"call","transport":"unix","uid":0,...}, without a
// line end. `event` is "denied" for entries whose reason is ROLE_REQUIRED. Texts are cut
// after 256 bytes, with "..." in place of the rest.
std::string JsonOf(const AuditEntry& entry);

// Appends JSON objects, one in a line, to a file; each is with the kernel before
// Write returns, so it survives the daemon, not a crash of the machine. A file
// that was renamed or removed is left behind and a new one begun, so that it can
// be rotated from outside without a signal. Lines that cannot be written are
// counted, and reported when the file can be written again.
//
// Thread rule: any but the service thread; waits for the disk.
class AuditLog {
 public:
  // Opens the file and writes a first line. `fail_closed`: what changes something
  // is refused while no line can be written. Error: FIELD_INVALID, also when the
  // first line cannot be written.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(std::string file, bool fail_closed);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // Whether a call that changes something may begin: if fail_closed, there must
  // be room for its line. Error: AUDIT_UNAVAILABLE.
  absl::Status Ready();

  // Error: AUDIT_UNAVAILABLE.
  absl::Status Write(const AuditEntry& entry);

  bool fail_closed() const { return fail_closed_; }

 private:
  AuditLog(std::string file, bool fail_closed);

  absl::Status ReopenIfMoved() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Reserve() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReportLost() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteLine(absl::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeBack(ssize_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LogReadiness(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Failed(absl::string_view call, int error_number) const;

  const std::string file_;
  const bool fail_closed_;
  absl::Mutex mutex_;
  int fd_ ABSL_GUARDED_BY(mutex_) = -1;
  // Bytes of the file for which the disk has room.
  off_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last line was written in part only, and could not be taken back.
  bool torn_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  // Ready has said no the last time.
  bool is_refusing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_AUDIT_LOG_H_
