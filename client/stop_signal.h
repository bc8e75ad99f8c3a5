// Ctrl-C as something that can be waited for.
#ifndef SOCKHOST_CLIENT_STOP_SIGNAL_H_
#define SOCKHOST_CLIENT_STOP_SIGNAL_H_

#include <signal.h>

#include <array>

namespace sockhost::client {

// While it lives, the first SIGINT, SIGTERM or SIGHUP does not end the process
// but makes fd() readable; a second one of the same kind ends it as usual. At
// most one object at a time. Must be made before the process may be signalled.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();

  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  int fd() const { return fd_; }

 private:
  static constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

  const int fd_;  // eventfd
  std::array<struct sigaction, kSignals.size()> saved_;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_STOP_SIGNAL_H_
