// One listener: an address bound to a service.
#ifndef SOCKHOST_SERVICE_CORE_LISTENER_H_
#define SOCKHOST_SERVICE_CORE_LISTENER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "accept_budget.h"
#include "connection_sources.h"
#include "listener_thread.h"
#include "log.h"
#include "open_retry.h"
#include "open_socket.h"
#include "service_registry.h"
#include "socket_table.h"
#include "sockhost/event_ring.h"
#include "sockhost/listener_config.h"

namespace sockhost {

class ServiceLoop;

// Its states are drawn beside ListenerState.
//
// Life: Listeners owns it until its last socket has been reaped. Each table slot
// of the listener points to it meanwhile.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  // Without a socket: Open or Adopt comes next, unless it is not enabled. `table` and
  // `tasks` are not owned and outlive it.
  Listener(ListenerConfig config, std::shared_ptr<Service> service, SocketTable& table,
           ListenerThread& tasks);

  // What is in force. On the service thread, where the reference is good until the
  // handler returns; elsewhere Snapshot() has it.
  const ListenerConfig& config() const { return *live_config_.load(std::memory_order_acquire); }
  // Any thread.
  bool IsInForce(const ListenerConfig* config) const {
    return live_config_.load(std::memory_order_acquire) == config;
  }
  Service& service() const { return *service_; }
  const std::shared_ptr<const std::string>& name() const { return name_; }
  // As the socket is bound; empty while there is none.
  SocketAddress address() const;
  ListenerSnapshot Snapshot() const;
  // It takes no more connections, and those that it has are ending.
  bool is_draining() const;
  // Announce was called.
  bool is_announced() const;
  // Says of a socket of its own, which has `role`, what the listener knows. Of a connection
  // that is the local address, unless it may differ between them: only the kernel knows then.
  void Describe(Role role, SocketSnapshot& out) const;

  // ---- Any thread but the service thread. In listener_life.cc; Update has
  // listener_change.cc, what it tells listener_status.cc. Calls wait for one
  // another, never for a handler.

  // Opens the socket and polls it. Errors: those of OpenSocket, SOCKET_LIMIT,
  // INTERNAL. Nothing has changed on error.
  absl::Status Open();
  // As Open, with a socket that somebody else has bound.
  absl::Status Adopt(UniqueFd fd);
  // Tells whether Open would succeed, as far as the system and the table go. Its errors.
  absl::Status Probe();
  // Others can find it: changes of its state are recorded from now on. Returns it as it
  // is now. Error: STATE_INVALID (it is being deleted); then nothing of it is recorded.
  absl::StatusOr<ListenerSnapshot> Announce();

  // Puts `next` in force, of the same name and service. With `only`, which may be
  // nullptr, fails unless that is in force. With Keep::kNo does everything but keep
  // it. Errors: ETAG_MISMATCH, STATE_INVALID (it is being deleted; with a field:
  // an option that an open socket cannot change), and those of Open for a new
  // address; then nothing has changed.
  absl::Status Update(const ListenerConfig* only, ListenerConfig next, Keep keep);
  // These three, too, only if `only` is nullptr or in force; else ETAG_MISMATCH.
  // Stops polling its socket, which stays bound. Error: STATE_INVALID.
  absl::Status Pause(const ListenerConfig* only);
  // Ends a pause or a drain. Error: STATE_INVALID.
  absl::Status Resume(const ListenerConfig* only);
  // Closes its socket, and `timeout` later (its drain_timeout unless given) the
  // connections that are left. Errors: STATE_INVALID, FIELD_INVALID.
  absl::Status Drain(std::optional<absl::Duration> timeout, const ListenerConfig* only);

  // ---- Any thread.

  // Runs `task`, which calls RemoveFile: on the listener thread if there is a file to
  // be removed, else at once.
  void RunWithFiles(absl::AnyInvocable<void()> task);
  // Removes the file of its unix socket, if it has one. May wait for the disk.
  void RemoveFile();

  // Whatever is left after `timeout`, the host closes: shown from now on, unless its own
  // drain is over sooner.
  void EndConnectionsAfter(absl::Duration timeout);

  // Its drain has lasted long enough: removes the connections that are left. Its own socket
  // is gone already.
  void CloseConnections();

  // Tells the readers of events what happened to it.
  void Record(HostEventKind kind) const;

  // ---- The table, under its mutex.

  // Its sockets are being removed for good.
  void BeginDraining();

  // ---- The service thread.

  // Takes waiting connections and puts them into the table.
  void Accept(SocketSlot& slot, ServiceLoop& loop);
  // Tells the readers of events if its last connection went while it was draining.
  void NoteDrained();
  // A connection from `peer` has been reaped.
  void ForgetConnection(const SocketAddress& peer);

  // Written by the service thread: sum over the listener's sockets, closed ones
  // included.
  CounterBlock counters;

  // Guarded by the socket table's mutex: no socket is added any more; the first of its
  // sockets (slot + 1), and how many of them are connections.
  bool withdrawn = false;
  uint32_t first_slot = 0;
  size_t connections = 0;

 private:
  // What Snapshot shows, apart from the configuration.
  struct Status {
    ListenerState state = ListenerState::kStarting;
    std::string reason;
    bool paused_by_operator = false;
    bool is_announced = false;
    // Its sockets are being removed for good.
    bool is_going = false;
    OpenedSocket opened;  // without its fd
    bool was_opened = false;
    // Of those of all the sockets that it had; empty if they differ.
    SocketAddress address_of_connections;
    int64_t drain_deadline_nanos = 0;
  };

  // What an attempt to take a connection has come to; after the last two accepting ends for
  // this turn.
  enum class Taken {
    kOne,     // or another may be taken
    kNone,    // nobody waits
    kNoRoom,  // somebody waits, and there are no sockets, fds or memory
  };

  Taken AcceptOne(SocketSlot& slot, ServiceLoop& loop);
  bool IsOverLimit(const SocketAddress& peer, SocketSlot& slot);
  void LogRejection(absl::string_view limit, int value, const SocketAddress& peer);
  Taken HandleAcceptError(int error_number, SocketSlot& slot, ServiceLoop& loop);
  Taken PauseForShortage(std::string reason, SocketSlot& slot, ServiceLoop& loop);
  // Its socket does not listen any more; `reason` shows that. Throws std::bad_alloc.
  Taken ReplaceSocket(std::string reason, SocketSlot& slot);
  // TryAgain comes for the socket `key` in 100 ms, unless this is called again before or the
  // shortage ends. Throws std::bad_alloc.
  void Rest(RegistrationKey key, ServiceLoop& loop);
  void TryAgain(RegistrationKey key, ServiceLoop& loop);
  void EndShortage();

  absl::Status OpenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  // Tells whether a socket, perhaps beside the one that is open, could be opened as `config` says.
  absl::Status ProbeLocked(const ListenerConfig& config)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status PlaceLocked(OpenedSocket socket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  // Opens it; if that fails it is kFailed and tried again.
  void StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void TryLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void RetryLaterLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Retry(uint64_t attempt);
  // Opens it anew, for this cause, unless `lost` has been replaced already.
  void Reopen(SocketId lost, const std::string& cause);
  absl::Status CheckUnchangedLocked(const ListenerConfig* only) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status CheckChangeLocked(const ListenerConfig* only, const ListenerConfig& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status ProbeChangeLocked(const ListenerConfig& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status ApplyLocked(ListenerConfig next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status RetuneLocked(const ListenerConfig& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void SetConfigLocked(ListenerConfig next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void StartDrainLocked(ListenerState state, absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void EndDrain(uint64_t drain);
  // What is in force, for the holder of change_mutex_, who alone replaces it.
  const ListenerConfig& ConfigLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_) {
    return config();
  }

  ListenerState state() const;
  bool IsDrainingLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(status_mutex_);
  bool IsPausedByOperator() const;
  bool HasFile() const;
  ListenerSnapshot SnapshotLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(status_mutex_);
  void RecordLocked(HostEventKind kind) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(status_mutex_);
  // Records the change if there is one. Nothing once it is going.
  void SetStateLocked(ListenerState state, std::string reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(status_mutex_);
  void SetState(ListenerState state, std::string reason);
  absl::Status StateErrorLocked(absl::string_view verb) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(status_mutex_);
  // `field` is settled when a socket is opened.
  absl::Status FixedError(absl::string_view field) const;

  // Constant after construction.
  const std::shared_ptr<const std::string> name_;
  const std::shared_ptr<Service> service_;
  SocketTable& table_;
  ListenerThread& tasks_;

  // Held through a change of its life, system calls included, by one call at a
  // time. Before the table's mutex and status_mutex_.
  Mutex change_mutex_;
  // The listening or datagram socket; 0: none is open.
  SocketId socket_id_ ABSL_GUARDED_BY(change_mutex_) = 0;
  OpenRetry retry_ ABSL_GUARDED_BY(change_mutex_);
  // Grows with each attempt to open it.
  uint64_t attempt_ ABSL_GUARDED_BY(change_mutex_) = 0;
  // Grows with each drain that begins or ends.
  uint64_t drain_ ABSL_GUARDED_BY(change_mutex_) = 0;

  // A few statements at a time, on any thread, no system call among them. After the
  // table's mutex.
  mutable Mutex status_mutex_;
  std::shared_ptr<const ListenerConfig> config_ ABSL_GUARDED_BY(status_mutex_);
  Status status_ ABSL_GUARDED_BY(status_mutex_);

  // Points to config_. What it pointed to before lives until the service thread
  // has come round, so that it can be read without a lock there.
  std::atomic<const ListenerConfig*> live_config_;

  // Of the service thread.
  AcceptBudget accept_budget_;
  // How many wake-ups in a row took no connection.
  uint32_t idle_accepts_ = 0;
  // Connections wait that cannot be taken, or did 100 ms ago: the state is kPaused, unless a
  // call has changed it.
  bool is_short_ = false;
  // Grows with each rest of accepting, and when a shortage is over.
  uint64_t rest_ = 0;
  LimitedLog accept_log_;
  LimitedLog rejection_log_;
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
