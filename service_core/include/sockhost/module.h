// Modules: shared objects with services, loaded at start.
#ifndef SOCKHOST_MODULE_H_
#define SOCKHOST_MODULE_H_

#include <string>

#include "absl/status/status.h"

namespace sockhost {

// A module is a shared object made from sources that use the socket service API.
// Its services become known when it is loaded, its SYS_INIT functions run then, and
// it stays until the process ends. Its destructors run in exit(3), so stop the host before
// that, and end by _exit(2) if it has threads: sockhostd does, and runs no destructors.
//
// ABI: a module that was built for another binary interface (sockhost/abi.h) needs
// symbols that this process does not have, so the dynamic linker refuses it before
// any of its code runs.

// Tries whether `file` can be loaded, in a child process that ends at once:
// constructors that throw, crash or hang end or hold up the child. So the
// constructors of a good module run twice in all, once in that child. Call it before
// LoadModule, while few threads run. Error: FAILED_PRECONDITION, "module FILE is
// refused: reason; what to do".
absl::Status CheckModule(const std::string& file);

// Loads `file`, runs its SYS_INIT functions and starts its threads. The service
// thread must be running. If a function fails, the services of the module are
// withdrawn, its threads are not started, and its code stays in memory without
// use. If this thread crashes meanwhile, the process ends after a line on standard error that names
// the module; crashes of other threads are not its, and do what they do without a module.
// One with neither services, SYS_INIT functions nor threads is logged as a warning. One
// thread at a time. Error: as above; a module that is loaded already is refused.
absl::Status LoadModule(const std::string& file);

}  // namespace sockhost

#endif  // SOCKHOST_MODULE_H_
