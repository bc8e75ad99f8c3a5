// The functions of SYS_INIT, and when they run.
#ifndef SOCKHOST_SERVICE_CORE_INIT_LEVELS_H_
#define SOCKHOST_SERVICE_CORE_INIT_LEVELS_H_

#include <cstddef>
#include <optional>
#include <string>

namespace sockhost {

// Why a function of SYS_INIT failed.
struct InitFailure {
  std::string function;
  // A negative errno; -EFAULT if it threw an exception.
  int error = 0;
  // "open_ports: returned -98: Address already in use (EADDRINUSE)".
  std::string message;
};

// Runs every function of SYS_INIT that was announced and has not run yet, in order
// of level, priority and announcement; those of a module announce themselves while it
// is loaded. All run, whatever the others return, and each failure is logged; the
// first is returned. One thread at a time.
//
// StartDefinedThreads() of kernel/thread.h is the next step, if the program or
// module goes on.
std::optional<InitFailure> RunInitLevels();

// How many functions are announced, those that have run included. Any thread.
size_t CountInitFunctions();

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_INIT_LEVELS_H_
