// One listener: an address bound to a service.
#ifndef SOCKHOST_SERVICE_CORE_LISTENER_H_
#define SOCKHOST_SERVICE_CORE_LISTENER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "connection_sources.h"
#include "log.h"
#include "open_socket.h"
#include "service_registry.h"
#include "socket_table.h"
#include "sockhost/listener_config.h"

namespace sockhost {

class ServiceLoop;

// Its states are drawn beside ListenerState.
//
// Life: Listeners owns it until its last socket has been reaped. Each table slot
// of the listener points to it meanwhile.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  // Without a socket: Open or Adopt comes next, or Disable.
  Listener(ListenerConfig config, std::shared_ptr<Service> service);

  // What is in force. Handlers may keep the reference until they return.
  const ListenerConfig& config() const { return *live_config_.load(std::memory_order_acquire); }
  Service& service() const { return *service_; }
  const std::shared_ptr<const std::string>& name() const { return name_; }
  // As the socket is bound; empty while there is none.
  SocketAddress address() const;
  ListenerSnapshot Snapshot() const;

  // ---- Any thread, in listener_life.cc. Calls wait for one another, never for a
  // handler. `table` outlives the listener's timers.

  // Opens the socket and polls it. Errors: those of OpenSocket, SOCKET_LIMIT,
  // INTERNAL. Nothing has changed on error.
  absl::Status Open(SocketTable& table);
  // As Open, with a socket that somebody else has bound.
  absl::Status Adopt(SocketTable& table, UniqueFd fd);
  // Tells whether Open would succeed, as far as the system goes.
  absl::StatusOr<OpenedSocket> Probe() const;

  // Puts `next` in force, of the same name and service. With `only`, which may be
  // nullptr, fails unless that is in force. With `probe` does everything but keep
  // it. Errors: ETAG_MISMATCH, FIELD_INVALID (an option that an open socket cannot
  // change), STATE_INVALID (it is being deleted), and those of Open for a new
  // address; then nothing has changed.
  absl::Status Update(SocketTable& table, const ListenerConfig* only, ListenerConfig next,
                      bool probe);
  // Stops polling its socket, which stays bound. Error: STATE_INVALID.
  absl::Status Pause(SocketTable& table);
  // Ends a pause or a drain. Error: STATE_INVALID.
  absl::Status Resume(SocketTable& table);
  // Closes its socket, and `timeout` later the connections that are left. Errors:
  // STATE_INVALID, FIELD_INVALID.
  absl::Status Drain(SocketTable& table, absl::Duration timeout);

  // Removes the file of a unix socket that is closed.
  void RemoveFile();

  // ---- The table, under its mutex.

  // Its sockets are being removed for good.
  void BeginDraining();

  // ---- The service thread.

  // Takes waiting connections and puts them into the table.
  void Accept(SocketSlot& slot, ServiceLoop& loop);
  // A connection from `peer` has been reaped.
  void ForgetConnection(const SocketAddress& peer);

  // Written by the service thread: sum over the listener's sockets, closed ones
  // included.
  CounterBlock counters;

  // Guarded by the socket table's mutex: no socket is added any more.
  bool withdrawn = false;

 private:
  // What Snapshot shows, apart from the configuration.
  struct Status {
    ListenerState state = ListenerState::kStarting;
    std::string reason;
    bool paused_by_operator = false;
    // Its sockets are being removed for good.
    bool is_going = false;
    OpenedSocket opened;  // without its fd
    int64_t drain_deadline_nanos = 0;
  };

  // False if accepting must end for this turn.
  bool AcceptOne(SocketSlot& slot, ServiceLoop& loop);
  bool IsOverLimit(const SocketAddress& peer, SocketSlot& slot, SocketTable& table);
  bool HandleAcceptError(int error_number, SocketSlot& slot, ServiceLoop& loop);
  void PauseForShortage(std::string reason, SocketSlot& slot, ServiceLoop& loop);
  void EndShortage();

  absl::Status OpenLocked(SocketTable& table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status PlaceLocked(SocketTable& table, OpenedSocket socket)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void CloseSocketLocked(SocketTable& table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  // Opens it; if that fails it is kFailed and tried again.
  void StartLocked(SocketTable& table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Retry(SocketTable& table, uint64_t attempt);
  absl::Status CheckChangeLocked(const ListenerConfig* only, const ListenerConfig& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status ProbeChangeLocked(const ListenerConfig& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status ApplyLocked(SocketTable& table, ListenerConfig next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status RetuneLocked(SocketTable& table, const ListenerConfig& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void SetConfigLocked(SocketTable& table, ListenerConfig next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void StartDrainLocked(SocketTable& table, ListenerState state, absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void EndDrain(SocketTable& table, uint64_t drain);

  ListenerState state() const;
  void SetState(ListenerState state, std::string reason);
  absl::Status StateErrorLocked(absl::string_view verb) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(status_mutex_);

  // Constant after construction.
  const std::shared_ptr<const std::string> name_;
  const std::shared_ptr<Service> service_;

  // Held through a change of its life, system calls included, by one call at a
  // time. Before status_mutex_ and the table's mutex.
  Mutex change_mutex_;
  // The listening or datagram socket; 0: none is open.
  SocketId socket_id_ ABSL_GUARDED_BY(change_mutex_) = 0;
  absl::Duration retry_delay_ ABSL_GUARDED_BY(change_mutex_);
  // Grows with each attempt to open it.
  uint64_t attempt_ ABSL_GUARDED_BY(change_mutex_) = 0;
  // Grows with each drain that begins or ends.
  uint64_t drain_ ABSL_GUARDED_BY(change_mutex_) = 0;

  // A few statements at a time, on any thread.
  mutable Mutex status_mutex_;
  std::shared_ptr<const ListenerConfig> config_ ABSL_GUARDED_BY(status_mutex_);
  Status status_ ABSL_GUARDED_BY(status_mutex_);

  // Points to config_. What it pointed to before lives until the service thread
  // has come round, so that it can be read without a lock there.
  std::atomic<const ListenerConfig*> live_config_;

  // Of the service thread: connections taken per wake-up. It grows while the
  // queue is longer, so that a quiet listener costs no accept(2) in vain and a
  // busy one few wake-ups.
  int accept_budget_ = 1;
  LimitedLog accept_log_;
  // Of the service thread; nullptr while there is no limit for one source.
  std::unique_ptr<ConnectionSources> sources_;
};

// The counters that an event of `slot` belongs to: of the socket, its service and
// its listener. `visit` takes a CounterBlock&.
template <typename Visit>
void ForEachBlock(SocketSlot& slot, Visit visit) {
  visit(slot.counters);
  visit(slot.service->counters);
  if (slot.listener) visit(slot.listener->counters);
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_LISTENER_H_
