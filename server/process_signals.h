// The signals that sockhostd takes: SIGTERM, SIGINT and SIGHUP.
#ifndef SOCKHOST_SERVER_PROCESS_SIGNALS_H_
#define SOCKHOST_SERVER_PROCESS_SIGNALS_H_

#include "absl/time/time.h"

namespace sockhost {

// Takes SIGTERM, SIGINT and SIGHUP on a thread of its own, which waits for nothing else and
// needs neither an fd nor a lock: whatever hangs, it hears them. Other threads hand them on
// (sockhost/taken_signals.h). What main is to hear, it hears by an fd.
//
//   STARTING --BeginToServe--> SERVING --SIGTERM, SIGINT: Take()--> STOPPING
//      |                                                               |
//      | SIGTERM, SIGINT, or EndProcessAfter                           | SIGTERM, SIGINT, or
//      v                                                               v the stop's limit
//   the process ends at once: nothing is to be saved yet               the process ends at once
//
// SIGHUP waits for Take() while it starts or serves, and is nothing to a process that stops.
// The thread goes on until the process ends.
//
// Thread rule: main's.
class ProcessSignals {
 public:
  ProcessSignals();
  ProcessSignals(const ProcessSignals&) = delete;
  ProcessSignals& operator=(const ProcessSignals&) = delete;

  // From now on a signal asks for a stop in order, which may take `stop_limit`.
  void BeginToServe(absl::Duration stop_limit);

  // Readable when Take has something.
  int fd() const;
  // Takes one signal; 0 if there is none.
  int Take();

  // For a start that has failed: it may take no longer than `limit` to end by itself.
  void EndProcessAfter(absl::Duration limit);

 private:
  class Guard;
  // Never destroyed, as its thread never ends.
  Guard& guard_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PROCESS_SIGNALS_H_
