// Work for later, on the service thread.
#ifndef SOCKHOST_SERVICE_TIMER_H_
#define SOCKHOST_SERVICE_TIMER_H_

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace sockhost {

// Runs `task` on this service thread once `delay` is over, between two handler
// calls. It must not block. A task that is left when the thread ends is destroyed
// without being run. Thread rule: the service thread.
void RunAfter(absl::Duration delay, absl::AnyInvocable<void()> task);

// The clock that such delays are measured with: monotonic, as it stood when the
// service thread woke up. Thread rule: the service thread.
absl::Duration ServiceClock();

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_TIMER_H_
