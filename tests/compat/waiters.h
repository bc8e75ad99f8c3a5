// Who waits for a kernel object.
#ifndef SOCKHOST_TESTS_COMPAT_WAITERS_H_
#define SOCKHOST_TESTS_COMPAT_WAITERS_H_

#include <cstddef>

#include "service_core/kernel/wait.h"

namespace sockhost {

// The number of threads that wait in `queue`.
inline size_t Waiters(const sockhost_wait_queue& queue) {
  const kernel::Guard guard(queue);
  size_t waiters = 0;
  for (const sockhost_waiter* at = queue.first; at; at = at->next) ++waiters;
  return waiters;
}

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_COMPAT_WAITERS_H_
