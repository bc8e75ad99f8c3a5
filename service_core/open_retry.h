// When a listener that could not be opened is tried again.
#ifndef SOCKHOST_SERVICE_CORE_OPEN_RETRY_H_
#define SOCKHOST_SERVICE_CORE_OPEN_RETRY_H_

#include "absl/time/time.h"
#include "unix_socket_file.h"

namespace sockhost {

// An address that is in use is looked at soon, because its owner may be on its way out, and
// then once a second. To open a unix socket is to connect to whoever has its path, and a server
// that stays must not be bothered: while the same file lies there, it is asked again after 1 s,
// and then less and less often, down to once a minute. A path that has become free, or another
// file there, is seen at the next look.
//
// Thread rule: one at a time.
class OpenRetry {
 public:
  // Somebody wants it opened now.
  void Restart() { *this = OpenRetry(); }

  // An attempt has failed. `taken` is the file that was at its path before the attempt, if the
  // address is in use, and no file otherwise.
  void NoteFailure(const FileIdentity& taken);
  // True until an attempt has failed.
  bool is_first() const { return delay_ == absl::ZeroDuration(); }

  // How long from now until the next look. Grows with each call.
  absl::Duration NextDelay();
  // At that look: true if there is reason for an attempt. `file` is what lies at its path now.
  bool IsDue(const FileIdentity& file) const;

 private:
  absl::Duration delay_;
  FileIdentity taken_;
  // Between two attempts while the file stays, and how much of it has passed.
  absl::Duration pause_;
  absl::Duration waited_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_OPEN_RETRY_H_
