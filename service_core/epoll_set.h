// The epoll instance of the service thread and its wake-up fd.
#ifndef SOCKHOST_SERVICE_CORE_EPOLL_SET_H_
#define SOCKHOST_SERVICE_CORE_EPOLL_SET_H_

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "unique_fd.h"

namespace sockhost {

// What epoll gives back for an event: a table slot and the low half of the id
// of the socket that stood in it. Never a bare fd or pointer, so that an event
// which was reported before a removal cannot hit the slot's next socket.
struct RegistrationKey {
  uint32_t slot = 0;
  uint32_t generation = 0;

  uint64_t Pack() const { return uint64_t{generation} << 32 | slot; }
  static RegistrationKey Unpack(uint64_t data) {
    return {static_cast<uint32_t>(data), static_cast<uint32_t>(data >> 32)};
  }
};

// Thread rule: Add, Modify, Remove and Wake on any thread (the kernel
// serialises them); Open, Wait and Replace on the service thread, or before it
// runs. Source: epoll(7), epoll_ctl(2), eventfd(2).
class EpollSet {
 public:
  absl::Status Open();

  int fd() const { return epoll_; }

  // These return 0 or an errno of epoll_ctl(2). `events` holds EPOLL* bits.
  int Add(int fd, uint32_t events, RegistrationKey key) const {
    return AddTo(epoll_, fd, events, key);
  }
  static int AddTo(int epoll, int fd, uint32_t events, RegistrationKey key);
  int Modify(int fd, uint32_t events, RegistrationKey key) const;
  int Remove(int fd) const;

  // Waits up to `timeout_ms` (-1: without limit). Returns what is ready, the
  // wake-up fd left out; empty after a time-out, a signal or an error.
  std::span<epoll_event> Wait(std::span<epoll_event> buffer, int timeout_ms);

  // Ends the present or the next Wait.
  void Wake();

  // Starts anew with what `fill` adds to the empty set that it is given: the only way to lose
  // an entry whose fd is closed while its open file description lives on in another process.
  // Nothing has changed on error, of `fill` too, which returns 0 or an errno.
  absl::Status Replace(absl::FunctionRef<int(int fresh)> fill = [](int) { return 0; });

 private:
  UniqueFd wake_;
  // Read by other threads while Replace swaps it.
  std::atomic<int> epoll_{-1};
  UniqueFd epoll_owner_;
  // True between Wake and the Wait that sees it: one write(2) wakes once.
  std::atomic<bool> wake_pending_{false};
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_EPOLL_SET_H_
