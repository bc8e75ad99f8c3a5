// The socket table: every fd that the service thread watches. The one meeting
// place of threads.
#ifndef SOCKHOST_SERVICE_CORE_SOCKET_TABLE_H_
#define SOCKHOST_SERVICE_CORE_SOCKET_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "closed_sockets.h"
#include "epoll_set.h"
#include "fd_index.h"
#include "log.h"
#include "mutex.h"
#include "service_registry.h"
#include "socket_slot.h"
#include "socket_traffic.h"
#include "sockhost/event_ring.h"
#include "sockhost/socket_snapshot.h"
#include "unique_fd.h"

namespace sockhost {

class SocketTable {
 public:
  SocketTable();
  ~SocketTable();
  SocketTable(const SocketTable&) = delete;
  SocketTable& operator=(const SocketTable&) = delete;

  // Opens the epoll set. Once, before anything else.
  absl::Status Open();
  // Where sockets that come and go are recorded; nowhere without it. Once, before
  // the first socket; not owned.
  void RecordInto(EventRing& events) { events_ = &events; }
  // nullptr: nowhere.
  EventRing* events() const { return events_; }
  // At most so many sockets at a time; at most kMostSockets.
  void SetLimit(size_t max_sockets);
  // Keeps so many closed sockets for ForEachClosed and FindClosed.
  void SetClosedLimit(size_t closed_sockets);

  // ---- Any thread. None waits for a handler. --------------------------------
  // An int result is 0 or a negative errno, as in socket_service.h.

  // Adds one socket and polls it; its id goes to `*id`. On error the fd stays
  // the caller's. `slot` is for the service thread, which may look at it until the reaping.
  int Add(const SocketSpec& spec, SocketId* id, SocketSlot** slot = nullptr);

  // Replaces the registered sockets of `service` (its descriptor's pev) by
  // `fds`. On error the old set stays in force.
  int ReplaceSet(Service& service, std::span<const pollfd> fds, void* user_data);

  // One registered socket of `service`.
  int AddOne(Service& service, int fd, short events, void* user_data);
  int ModifyOne(Service& service, int fd, short events);
  int SetUserData(Service& service, int fd, void* user_data);
  int RemoveOne(Service& service, int fd);

  // Removes every registered socket of `service`. `fate` kClose: the service
  // thread closes them. `done` runs there afterwards; it may be empty.
  void RemoveSet(Service& service, Fate fate, absl::AnyInvocable<void()> done);

  // Unregisters the sockets of `service` and refuses every later registration.
  // `done`, which may be empty, runs on the service thread afterwards.
  void WithdrawService(std::shared_ptr<Service> service, absl::AnyInvocable<void()> done);

  // Removes one socket. False if there is no such socket (any more).
  bool Remove(SocketId id, Fate fate, CloseReason reason = CloseReason::kUnregistered);

  // Removes a connection, or a socket towards an upstream; `done` runs on the service thread when
  // it is closed. -ENOENT if there is no such socket, -EPERM if it is neither.
  int CloseConnection(SocketId id, CloseReason reason, absl::AnyInvocable<void()> done);

  // Removes every socket of `listener` and refuses new ones; `done` runs when they are
  // closed: on the service thread, or here and now if only the listening socket is left
  // and the service thread is between two turns. Returns the number of connections it
  // has; if there are any and `force` is false, nothing is done. Works in chunks,
  // as ForEach does.
  size_t RemoveListener(Listener& listener, bool force, absl::AnyInvocable<void()> done);

  // Removes the listening or datagram socket of `listener` and refuses new
  // sockets; its connections stay.
  void StopAccepting(Listener& listener);

  // Closes every connection of `listener`, and what goes with them. Returns how
  // many connections there were. Works in chunks, as ForEach does.
  size_t RemoveConnections(Listener& listener, CloseReason reason);

  // Takes one socket out of polling, or back in; nothing else ends such a pause.
  // Nothing if there is no such socket (any more).
  void SetPaused(SocketId id, bool paused);

  // A second fd of a socket; invalid if it is gone, or no fd is free.
  UniqueFd Duplicate(SocketId id) const;

  // Calls `change`, a few statements under the mutex, then runs `task` on the service
  // thread between two handler calls, after what was removed before is closed. For
  // want of memory (std::bad_alloc) neither.
  void RunBetweenHandlers(absl::FunctionRef<void()> change, absl::AnyInvocable<void()> task);

  // `fd` is about to be closed by its program. Removes it, unless nobody may close it.
  Closer NoteClose(int fd);

  // Counts traffic of an fd on a thread that is not the service thread.
  void CountForeign(int fd, int64_t received_bytes, int64_t received_messages,
                    int64_t transmitted_bytes, int64_t transmitted_messages);

  // Calls `visit` for every socket with an id beyond `after` in the order of slots. Works in
  // chunks: the mutex is held for a few microseconds at a time.
  void ForEach(const std::function<void(SocketSnapshot&&)>& visit, SocketId after = 0) const;
  // The lowest ids beyond `after`, at most `most`, in their order. Never waits.
  std::vector<SocketId> IdsAfter(SocketId after, size_t most) const;
  std::optional<SocketSnapshot> Find(SocketId id) const;
  // The last closed sockets in the order of closing.
  void ForEachClosed(const std::function<void(SocketSnapshot&&)>& visit) const;
  std::optional<SocketSnapshot> FindClosed(SocketId id) const;
  // How many are kept, and how many there can be.
  std::pair<size_t, size_t> CountClosed() const;

  // Calls `inspect` with the fd of the socket `id`. False if that is gone, or its program
  // has closed it, perhaps meanwhile: then what `inspect` has seen may be another file's.
  bool Inspect(SocketId id, int fd, absl::FunctionRef<void(int)> inspect) const;

  // How many sockets `service` has: registered ones, and all.
  std::pair<int, int> CountSockets(const Service& service) const;
  size_t size() const { return size_.load(std::memory_order_relaxed); }
  // Of these, registered by programs.
  size_t registered() const { return registered_.load(std::memory_order_relaxed); }
  size_t max_sockets() const { return max_sockets_.load(std::memory_order_relaxed); }
  // False if no listener has a listening socket at this port.
  bool MayListenOn(uint16_t port) const {
    return listening_[port % listening_.size()].load(std::memory_order_relaxed) > 0;
  }
  int64_t closed_behind() const { return closed_behind_.load(std::memory_order_relaxed); }
  // How many closed sockets there was no memory to describe: neither kept nor an event.
  int64_t not_described() const { return not_described_.load(std::memory_order_relaxed); }

  // ---- The service thread. --------------------------------------------------

  EpollSet& epoll() { return epoll_; }

  // Begins a turn: events that the kernel reported from now on are its. Only in turns does
  // the service thread hold slots, or read what they point to.
  void BeginTurn() {
    turn_.store(turn() + 1, std::memory_order_relaxed);
    in_turn_.exchange(1, std::memory_order_acq_rel);
  }
  void EndTurn() { in_turn_.store(0, std::memory_order_release); }
  uint32_t turn() const { return turn_.load(std::memory_order_relaxed); }

  // The slot that `key` speaks of, or nullptr if that socket is gone.
  SocketSlot* Lookup(RegistrationKey key);
  // True if `key` speaks of the listening socket of a listener.
  bool IsListening(RegistrationKey key) {
    const SocketSlot* slot = Lookup(key);
    return slot && slot->role == Role::kListening;
  }
  // Loads the slot of `key` into the cache while something else is done.
  void Prefetch(RegistrationKey key) const;

  // True if the socket that `key` speaks of was removed before this turn: then
  // the kernel should not have reported it.
  bool WasRemovedInAnEarlierTurn(RegistrationKey key) const;
  // The slot of a socket by its fd or id, or nullptr.
  SocketSlot* SlotOfFd(int fd);
  SocketSlot* SlotOfId(SocketId id);

  // The socket in slot `index`, or nullptr if that is free; indexes are below
  // slots_in_use().
  SocketSlot* SlotInUse(uint32_t index);
  uint32_t slots_in_use() const { return slots_in_use_.load(std::memory_order_acquire); }

  // Calls `visit` with the address of every connection of `listener` that Reap has
  // not yet freed.
  void ForEachPeer(const Listener& listener,
                   absl::FunctionRef<void(const SocketAddress& peer)> visit);

  // Changes what a socket is polled for.
  void SetEvents(SocketSlot& slot, uint32_t events);
  // Polls a socket that was added as kOpening. 0, also if it is gone; or the negative errno
  // for which it was removed.
  int StartPolling(SocketSlot& slot, SocketId id);
  void SetPolling(SocketSlot& slot, Polling polling);

  // As Remove, for a slot that Lookup gave.
  void RemoveSlot(SocketSlot& slot, Fate fate, CloseReason reason);

  // Ids of the exposed sockets among the next `count` slots, in turn, whose fd number no
  // longer stands for the file that was added.
  std::vector<SocketId> FindClosedBehind(uint32_t count);
  // FindClosedBehind goes on with this one.
  void FindNext(const SocketSlot& slot) { audited_ = slot.index; }
  // True if the number of an exposed socket stands for another file, or none. False too where
  // both files share an inode, as eventfds do, and of a socket that was removed.
  bool IsClosedBehind(const SocketSlot& slot) const;
  // False if no program has an fd that stands in the table.
  bool HasExposed() const { return exposed_.load(std::memory_order_relaxed) > 0; }

  // Closes the fds and frees the slots of what was removed, and runs what waits
  // for that, in the order of the removals. Must run when no handler does. Once there is no
  // service thread, on any thread: while one is at it, it does also what the others come for,
  // which return at once.
  void Reap();
  // The same for a bounded number of sockets: closing thousands of connections at
  // once would keep every handler waiting. False if there is more to do.
  // `now`: on the wall clock, ns since 1970; 0: it is looked at.
  bool ReapSome(int64_t now = 0);

  // Builds the epoll set anew; false if that failed for want of an fd or memory: then
  // all is polled as before.
  bool RebuildEpoll();

 private:
  friend class SetTransaction;
  // What runs when all that was removed before it has been reaped. In a list, which is
  // made before the removal: afterwards nothing may need memory.
  struct AfterReap {
    absl::AnyInvocable<void()> task;
    uint64_t removals = 0;
  };
  using AfterReapList = std::list<AfterReap>;
  class TableLock;

  std::atomic<uint32_t>& CountListening(const SocketSlot& slot) {
    return listening_[slot.address.port() % listening_.size()];
  }
  SocketSlot& Slot(uint32_t index) const { return chunks_[index / kChunk][index % kChunk]; }
  // What epoll is asked for on behalf of a slot that wants `events`.
  static uint32_t EpollEvents(const SocketSlot& slot, uint32_t events);
  static int AddToEpoll(const SocketSlot& slot, int epoll);
  // False if the fd no longer stands for the file that was added.
  bool RemoveFromEpoll(const SocketSlot& slot) const;
  // 0 if `fd` is not open.
  static uint64_t InodeOf(int fd);

  // Only the service thread may look at what it gives without the mutex.
  SocketSlot* FindByFd(int fd) const;
  SocketSlot* FindRegisteredLocked(const Service& service, int fd) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int AddLocked(const SocketSpec& spec, SocketSlot** out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SocketSlot* FindByIdLocked(SocketId id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t& IdChainLocked(SocketId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return slot_by_id_[static_cast<uint64_t>(id) & (slot_by_id_.size() - 1)];
  }
  void EnterIdsLocked(SocketSlot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveIdsLocked(SocketSlot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Room for `slots` of them, with chains of about one.
  void WidenIdsLocked(size_t slots) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A slot for `fd` under the id next_id_, or nullptr if the table is full. Takes all the
  // memory that a socket needs; std::bad_alloc leaves everything as it was.
  SocketSlot* TakeSlotLocked(int fd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SocketSlot* NextFreeSlotLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBackLocked(SocketSlot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int ApplyEventsLocked(SocketSlot& slot, uint32_t events) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static bool IsClosedBehindLocked(const SocketSlot& slot);
  // False if the fd number no longer stands for the file that was added.
  bool IsStillPolledLocked(const SocketSlot& slot) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When a removed socket is reaped, at the earliest.
  enum class Ending { kAnyTime, kInThisTurn };
  void RemoveLocked(SocketSlot& slot, Fate fate, CloseReason reason,
                    Ending ending = Ending::kAnyTime) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool EndsWithItsFd(const SocketSlot& slot, Fate fate, Ending ending) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveSetLocked(Service& service, Fate fate, AfterReapList& after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EnterListLocked(SocketSlot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveListLocked(SocketSlot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LockContended() const ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex_);
  // Lets those have the mutex who wait for it. Without it.
  void LetOthersGoFirst() const;
  // Frees a slot that waits for the reaping. What it was goes to `closed`, whatever that held,
  // its id 0 if there was no memory to describe it, and to the readers of events. `now`: on the
  // wall clock, ns since 1970.
  void Close(SocketSlot& slot, SocketSnapshot& closed, int64_t now);
  void Free(SocketSlot& slot);
  // Removes the last socket of a withdrawn listener, if it has one. True if the service
  // thread is not needed for the rest; then FinishHere comes next.
  bool RemoveLastLocked(Listener& listener, SocketSlot** removed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Closes what RemoveLastLocked has removed.
  void FinishHere(SocketSlot& slot);
  // Empty if there is none whose turn it is.
  AfterReapList NextAfterReap();
  void LogClosedBehind(const SocketSlot& slot);
  void RetireLocked(SocketSlot& slot, bool closes_fd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static AfterReapList MakeAfterReap(absl::AnyInvocable<void()> done);
  void RunAfterReapLocked(AfterReapList& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the table knows of a socket, and what it takes to ask the kernel for the rest.
  struct Copy {
    const SocketSlot* slot = nullptr;
    uint64_t inode = 0;  // of a registered fd
    Protocol protocol = Protocol::kNone;
    SocketSnapshot socket;
  };
  Copy CopyLocked(const SocketSlot& slot) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds what only the kernel knows. Without the mutex: the service thread would wait for
  // these system calls. False: the socket went meanwhile.
  static bool Complete(Copy& copy);
  // Puts the next few slots that a snapshot copies, from `index` on, into `slots`, and loads
  // them: with the mutex held that would keep the service thread waiting. Returns where to go on.
  uint32_t FindInUse(uint32_t index, SocketId after, std::vector<const SocketSlot*>& slots) const;
  static void PrefetchSlot(const SocketSlot& slot);
  // Of a socket that waits for the reaping. The service thread, without the mutex. Throws
  // std::bad_alloc.
  static void DescribeRetired(const SocketSlot& slot, int64_t now, SocketSnapshot& out);

  static constexpr uint32_t kChunk = 256;
  // How many sockets are closed before other sockets are served: closing a connection
  // takes some microseconds.
  static constexpr size_t kReapChunk = 64;
  // Bounds the array of chunks, which must not move.
  static constexpr size_t kMostSockets = size_t{1} << 20;

  std::atomic<size_t> max_sockets_{kMostSockets};
  EpollSet epoll_;
  EventRing* events_ = nullptr;
  // The one that epoll sets, eventfds, timerfds and the like share. Constant after Open.
  uint64_t anonymous_inode_ = 0;

  mutable Mutex mutex_;
  // How many threads wait for the mutex.
  mutable std::atomic<int> waiting_{0};
  // Never reallocated: made for kMostSockets at construction, so that the
  // service thread may index it without the mutex.
  std::vector<std::unique_ptr<SocketSlot[]>> chunks_;
  // Slots that were ever used, from 0 up.
  std::atomic<uint32_t> slots_in_use_{0};
  // Slot + 1 of those that are free again, from the last one on.
  uint32_t first_free_ ABSL_GUARDED_BY(mutex_) = 0;
  // Slot + 1; 0: none. Written under the mutex.
  FdIndex slot_by_fd_;
  SocketId next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  uint32_t next_stamp_ ABSL_GUARDED_BY(mutex_) = 1;
  // Chains through the slots, by the low bits of the id: first slot + 1. No hash table of
  // a library: Abseil's is broken by an allocation that fails, and needs 20 bytes a socket.
  std::vector<uint32_t> slot_by_id_ ABSL_GUARDED_BY(mutex_);
  // What is to be reaped, in the order of removal: slot + 1.
  uint32_t first_retired_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t last_retired_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t removals_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t reaped_ ABSL_GUARDED_BY(mutex_) = 0;
  // How many removed sockets other threads than the service thread are closing.
  uint64_t closing_elsewhere_ ABSL_GUARDED_BY(mutex_) = 0;
  AfterReapList after_reap_ ABSL_GUARDED_BY(mutex_);
  ClosedSockets closed_ ABSL_GUARDED_BY(mutex_);
  // How many calls of Reap the one that is at it stands for.
  std::atomic<int> reapers_{0};
  // Of who reaps: what ReapSome is about to put into `closed_`; kReapChunk of them.
  std::vector<std::unique_ptr<SocketSnapshot>> closing_;
  std::atomic<int64_t> not_described_{0};
  // True while there is something to reap: spares the mutex on quiet turns.
  std::atomic<bool> reap_needed_{false};
  std::atomic<size_t> size_{0};
  std::atomic<size_t> registered_{0};
  std::atomic<size_t> exposed_{0};
  // Listening sockets by the low bits of their port; 0 of unix sockets.
  std::array<std::atomic<uint32_t>, 1024> listening_{};
  std::atomic<uint32_t> turn_{0};
  // 1 in a turn. A removal clears an id and then asks, a turn sets this and then reads ids;
  // both change it (or add 0), so that one of the two sees the other.
  std::atomic<int> in_turn_{0};
  // Of the service thread: where FindClosedBehind goes on.
  uint32_t audited_ = 0;
  std::atomic<int64_t> closed_behind_{0};
  LimitedLog closed_behind_log_;
};

// The mutex, which is not fair: a thread that works in portions sees that others wait,
// and lets them go first.
class ABSL_SCOPED_LOCKABLE SocketTable::TableLock {
 public:
  explicit TableLock(const SocketTable& table) ABSL_EXCLUSIVE_LOCK_FUNCTION(table.mutex_)
      : table_(table) {
    if (!table_.mutex_.TryLock()) table_.LockContended();
  }
  ~TableLock() ABSL_UNLOCK_FUNCTION() { table_.mutex_.Unlock(); }
  TableLock(const TableLock&) = delete;
  TableLock& operator=(const TableLock&) = delete;

 private:
  const SocketTable& table_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SOCKET_TABLE_H_
