// The service thread: waits for readiness and calls handlers.
#ifndef SOCKHOST_SERVICE_CORE_SERVICE_LOOP_H_
#define SOCKHOST_SERVICE_CORE_SERVICE_LOOP_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "connection_timeouts.h"
#include "mutex.h"
#include "socket_table.h"
#include "sockhost/loop_statistics.h"
#include "spin_guard.h"

namespace sockhost {

// Runs handlers on one thread of its own.
//
//              Start             Stop              its last turn is over
//   kNotStarted -----> kRunning ------> kStopping -----------------------> kStopped
//        |
//        +-----------> kFailed: the thread cannot be made
//
class ServiceLoop {
 public:
  enum class State { kNotStarted, kRunning, kStopping, kStopped, kFailed };

  // `table` is not owned and outlives the loop.
  explicit ServiceLoop(SocketTable& table);
  // Stops.
  ~ServiceLoop();
  ServiceLoop(const ServiceLoop&) = delete;
  ServiceLoop& operator=(const ServiceLoop&) = delete;

  // Starts the thread. What was registered before is polled from now on. Once.
  absl::Status Start();
  // Lets the handler in progress finish, closes what was removed, and ends the
  // thread. `before_join` runs when no handler will any more and native_handle() is still
  // good. Not on the service thread. A second call does nothing.
  void Stop(absl::FunctionRef<void()> before_join = [] {});
  State state() const { return state_.load(); }

  // Any thread: runs `task` on the service thread between two handlers.
  void Post(absl::AnyInvocable<void()> task);

  // The service thread only: runs `task` at `time` (monotonic, ns) or later.
  void RunAt(int64_t time, absl::AnyInvocable<void()> task);

  // True on the thread that runs handlers of this loop.
  bool OnServiceThread() const;

  // The service thread only: it looks at the end of this turn whether the fd of `slot` was
  // closed behind its back.
  void AuditNext(const SocketSlot& slot);

  // The slot of `fd`, when called inside a handler for its own socket or on the
  // service thread for another one; else nullptr.
  static SocketSlot* SlotOnServiceThread(int fd);
  // The loop whose service thread this is, or nullptr.
  static ServiceLoop* Current();
  // The service thread only, async-signal-safe: the slot whose handler runs, or nullptr.
  const SocketSlot* called_slot() const { return current_slot_; }

  // The service thread only: the turn's wake-up on the monotonic clock, ns.
  int64_t now() const { return turn_started_; }
  // The service thread only: the start of the call in progress on the wall clock, ns
  // since 1970. No clock is read for it: a step of the wall clock shows within 10 ms.
  int64_t wall_time() const { return last_clock_ + wall_offset_; }

  // Any thread.
  LoopStatistics Statistics() const;
  // Grows by one when a handler call begins and by one when it ends: odd while a
  // handler runs.
  uint64_t call_number() const { return call_number_.load(std::memory_order_acquire); }
  // The service of the last call. Only to be compared: it may be gone.
  const Service* call_service() const { return call_service_.load(std::memory_order_relaxed); }
  // Until Stop returns.
  std::thread::native_handle_type native_handle() { return thread_.native_handle(); }

  // The service thread only, for a connection that was added as kOpening: calls the handler,
  // for it can be written to, and polls it from then on. 0, or the negative errno for
  // which it was removed.
  int BeginConnection(SocketSlot& slot, SocketId id);

  SocketTable& table() { return table_; }
  ConnectionTimeouts& connection_timeouts() { return connection_timeouts_; }

 private:
  void Run();
  void Turn();
  // Does one piece of work. What finds no memory is left as it is, and the thread goes on:
  // a socket that is still ready is reported again.
  template <typename Work>
  void Attempt(Work&& work);
  int TimeoutMs() const;
  void DropStaleEvent(RegistrationKey key);
  void RunPosted();
  void DispatchAll(std::span<epoll_event> ready);
  void RunTimers();
  void LookAtWallClock();
  void AuditExposed();

  // ---- In event_dispatch.cc.

  void Dispatch(RegistrationKey key, uint32_t ready);
  void CallHandler(SocketSlot& slot, uint32_t ready);
  // Calls the handler. False if an exception left it, which must not end the thread.
  bool ReturnsFrom(net_socket_service_event& event, const Service& service);
  void Account(SocketSlot& slot, uint32_t ready, int64_t started, int64_t ended);
  void CloseIfPeerIsGone(SocketSlot& slot, uint32_t ready);
  void FollowDraining(SocketSlot& slot, uint32_t ready);
  void Mask(SocketSlot& slot, int64_t pause_nanos);

  SocketTable& table_;
  SpinGuard spin_guard_;
  ConnectionTimeouts connection_timeouts_{*this};
  std::thread thread_;
  std::atomic<State> state_{State::kNotStarted};

  Mutex posted_mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(posted_mutex_);
  std::atomic<bool> has_posted_{false};

  // Of the service thread.
  // Not Abseil's: it is no map any more after an allocation that failed.
  std::multimap<int64_t, absl::AnyInvocable<void()>> timers_;
  std::vector<epoll_event> ready_;
  int64_t turn_started_ = 0;
  int64_t last_clock_ = 0;
  // Wall clock by the monotonic one, and when to look again.
  int64_t wall_offset_ = 0;
  int64_t next_wall_look_ = 0;
  SocketSlot* current_slot_ = nullptr;
  SocketId current_id_ = 0;
  int64_t next_audit_ = 0;
  int64_t next_rebuild_ = 0;
  // False while removed sockets are left for the next turn.
  bool is_reaped_ = true;
  LimitedLog spin_log_;
  LimitedLog exception_log_;

  // Written by the service thread, read by anyone.
  std::atomic<const Service*> call_service_{nullptr};
  std::atomic<uint64_t> call_number_{0};
  struct {
    std::atomic<int64_t> wakeups{0}, events{0}, stale_events{0}, max_events_per_wakeup{0},
        busy_nanos{0}, max_turn_nanos{0}, epoll_rebuilds{0}, out_of_memory{0};
  } statistics_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SERVICE_LOOP_H_
