// SIGTERM and SIGINT.
#ifndef SOCKHOST_SERVER_STOP_SIGNALS_H_
#define SOCKHOST_SERVER_STOP_SIGNALS_H_

#include <thread>

#include "absl/time/time.h"

namespace sockhost {

// Blocks SIGTERM and SIGINT and takes them from an fd. Made before any other
// thread, so that every thread inherits the mask.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Readable when a signal has come.
  int fd() const { return fd_; }
  // Takes one signal; false if there is none.
  bool Take();

  // From now on the process ends at once when one more signal comes, or when
  // `limit` has passed: whatever hangs, a stop always ends.
  void EndProcessAfter(absl::Duration limit);

 private:
  int fd_ = -1;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_STOP_SIGNALS_H_
