// The signals that sockhostd takes: SIGTERM, SIGINT and SIGHUP.
#ifndef SOCKHOST_SERVER_PROCESS_SIGNALS_H_
#define SOCKHOST_SERVER_PROCESS_SIGNALS_H_

#include <thread>

#include "absl/time/time.h"

namespace sockhost {

// Blocks SIGTERM, SIGINT and SIGHUP and takes them from an fd. Made before any other
// thread, so that every thread inherits the mask.
class ProcessSignals {
 public:
  ProcessSignals();
  ~ProcessSignals();
  ProcessSignals(const ProcessSignals&) = delete;
  ProcessSignals& operator=(const ProcessSignals&) = delete;

  // Readable when a signal has come.
  int fd() const { return fd_; }
  // Takes one signal; 0 if there is none.
  int Take();

  // From now on the process ends at once when one more SIGTERM or SIGINT comes, or
  // when `limit` has passed: whatever hangs, a stop always ends.
  void EndProcessAfter(absl::Duration limit);

 private:
  int fd_ = -1;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PROCESS_SIGNALS_H_
