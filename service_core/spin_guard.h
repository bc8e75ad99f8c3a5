// Keeps a socket whose handler does not consume from eating the service thread.
#ifndef SOCKHOST_SERVICE_CORE_SPIN_GUARD_H_
#define SOCKHOST_SERVICE_CORE_SPIN_GUARD_H_

#include <cstdint>

#include "socket_table.h"

namespace sockhost {

// A level-triggered socket is reported again as long as it is ready, so a
// handler that leaves it as it is would be called for ever. The guard looks at
// each handler call: one after which nothing has changed is idle. After a budget
// of idle calls in consecutive turns the socket is masked for a pause, which
// doubles each time until the handler makes progress.
//
// What counts as progress: traffic that the zsock_ calls counted, a socket that
// is no longer ready, or queues that moved. A number that stands for another file is
// not ready either: that is asked for. The kernel is only asked after
// kFreeIdleCalls idle calls, and every kProbeInterval calls from then on: a
// handler that uses plain recv(2) costs two system calls in eight events.
//
// Thread rule: the service thread.
class SpinGuard {
 public:
  static constexpr uint32_t kFreeIdleCalls = 64;
  static constexpr uint32_t kProbeInterval = 8;
  static constexpr int64_t kFirstPauseNanos = 1'000'000;
  static constexpr int64_t kLongestPauseNanos = 100'000'000;

  // For AfterCall: the fd was closed behind the host's back.
  static constexpr int64_t kClosedBehind = -1;

  // Tells of a call of the handler that has ended in this turn of `table`. Returns how long
  // the socket has to be masked in ns, 0 for not at all, or kClosedBehind.
  int64_t AfterCall(const SocketTable& table, SocketSlot& slot);

 private:
  // Of a call that may have consumed nothing; as AfterCall.
  [[gnu::noinline]] static int64_t Probe(const SocketTable& table, SocketSlot& slot);
};

// True if a registered socket hung up without having been used.
bool IsUnused(const SocketSlot& slot);

// True for a stream socket that reports POLLHUP because it is neither connected
// nor listening yet.
inline bool IsUnusableYet(const SocketSlot& slot, uint32_t ready) {
  const bool only_hangs_up =
      (ready & EPOLLHUP) && !(ready & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLPRI));
  return only_hangs_up && slot.role == Role::kRegistered && IsUnused(slot);
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SPIN_GUARD_H_
