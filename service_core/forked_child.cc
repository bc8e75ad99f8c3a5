#include "forked_child.h"

#include <pthread.h>

namespace sockhost {

void HostInThisProcess() {
  // Children of children have it too.
  [[maybe_unused]] static const int once = pthread_atfork(
      nullptr, nullptr, [] { is_forked_child.store(true, std::memory_order_relaxed); });
  is_forked_child.store(false, std::memory_order_relaxed);
}

}  // namespace sockhost
