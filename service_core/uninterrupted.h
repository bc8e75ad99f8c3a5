// System calls that go on after a signal.
#ifndef SOCKHOST_SERVICE_CORE_UNINTERRUPTED_H_
#define SOCKHOST_SERVICE_CORE_UNINTERRUPTED_H_

#include <cerrno>

#include "sockhost/taken_signals.h"

namespace sockhost {

// What `call` returns, a system call that reports errors by -1 and errno. It is made again when a
// signal that the host has taken interrupts it: SA_RESTART does not do so for those that wait
// with a time-out, and hosted code, which knows nothing of such signals, would take EINTR for a
// failure. EINTR from other signals is returned, unless one of ours came with it. Any thread.
// Source: signal(7), "Interruption of system calls".
template <typename Call>
auto Uninterrupted(Call call) {
  while (true) {
    const unsigned before = signals_taken_here.load(std::memory_order_relaxed);
    const auto result = call();
    if (result >= 0 || errno != EINTR) [[likely]]
      return result;
    if (signals_taken_here.load(std::memory_order_relaxed) == before) return result;
  }
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_UNINTERRUPTED_H_
