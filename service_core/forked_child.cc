#include "forked_child.h"

#include <pthread.h>

#include <atomic>

namespace sockhost {
namespace {

std::atomic<bool> is_forked_child{false};

}  // namespace

void HostInThisProcess() {
  // Children of children have it too.
  [[maybe_unused]] static const int once = pthread_atfork(
      nullptr, nullptr, [] { is_forked_child.store(true, std::memory_order_relaxed); });
  is_forked_child.store(false, std::memory_order_relaxed);
}

bool IsForkedChild() { return is_forked_child.load(std::memory_order_relaxed); }

}  // namespace sockhost
