#include "socket_table.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "listener.h"
#include "monotonic_clock.h"

namespace sockhost {
namespace {

// poll(2) and epoll(7) share the values of their bits on Linux.
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI);
static_assert(POLLERR == EPOLLERR && POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP);

// How many sockets are copied before the mutex is let go.
constexpr uint32_t kSnapshotChunk = 32;

uint32_t EpollEvents(const SocketSlot& slot, uint32_t events) {
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  // Once reported, a one-shot entry is silent, POLLHUP included; an entry
  // without interest is not: it reports POLLHUP for ever.
  if (polling == Polling::kMasked || polling == Polling::kPaused) return EPOLLONESHOT;
  if (polling == Polling::kEdge) events |= EPOLLET;
  if (slot.service->keeps_connections) {
    // Of a pause of the service, which knows already what it will do with the end.
    const bool idle = slot.role != Role::kRegistered && !(events & (EPOLLIN | EPOLLOUT));
    return idle ? events | EPOLLET : events;
  }
  // Connections that are read: to close them when the peer has closed. The others
  // would be reported for ever.
  if (slot.role == Role::kConnection && (events & EPOLLIN)) events |= EPOLLRDHUP;
  return events;
}

// 0 if `fd` is not open.
uint64_t InodeOf(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

Protocol ProtocolOf(int fd) {
  int domain = 0;
  int type = 0;
  socklen_t length = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
    return Protocol::kNone;
  }
  if (domain == AF_UNIX) {
    return type == SOCK_STREAM ? Protocol::kUnixStream : Protocol::kUnixDatagram;
  }
  if (domain != AF_INET && domain != AF_INET6) return Protocol::kNone;
  return type == SOCK_STREAM ? Protocol::kTcp : Protocol::kUdp;
}

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

SocketAddress NameOf(int fd, Protocol protocol, NameFunction function) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (function(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return SocketAddress::From(protocol, reinterpret_cast<sockaddr*>(&storage), length);
}

}  // namespace

// The mutex as the service thread takes it: threads that copy in chunks see
// that it waits, and let it go first.
class ABSL_SCOPED_LOCKABLE SocketTable::LoopLock {
 public:
  explicit LoopLock(SocketTable& table) ABSL_EXCLUSIVE_LOCK_FUNCTION(table.mutex_) : table_(table) {
    if (table_.mutex_.TryLock()) return;
    table_.loop_waits_ = true;
    table_.mutex_.Lock();
    table_.loop_waits_ = false;
  }
  ~LoopLock() ABSL_UNLOCK_FUNCTION() { table_.mutex_.Unlock(); }

 private:
  SocketTable& table_;
};

SocketTable::SocketTable() { chunks_.resize(kMostSockets / kChunk); }

SocketTable::~SocketTable() { Reap(); }

absl::Status SocketTable::Open() { return epoll_.Open(); }

void SocketTable::SetLimit(size_t max_sockets) {
  max_sockets_.store(std::min(max_sockets, kMostSockets), std::memory_order_relaxed);
}

// ---- Adding and removing ----------------------------------------------------

SocketSlot* SocketTable::FindByFdLocked(int fd) const {
  if (fd < 0 || static_cast<size_t>(fd) >= slot_by_fd_.size()) return nullptr;
  const uint32_t entry = slot_by_fd_[static_cast<size_t>(fd)];
  return entry == 0 ? nullptr : &Slot(entry - 1);
}

SocketSlot* SocketTable::FindRegisteredLocked(const Service& service, int fd) const {
  SocketSlot* slot = FindByFdLocked(fd);
  const bool found = slot && slot->role == Role::kRegistered && slot->service == &service;
  return found ? slot : nullptr;
}

SocketSlot* SocketTable::TakeFreeSlotLocked() {
  if (size() >= max_sockets()) return nullptr;
  if (!free_slots_.empty()) {
    SocketSlot& slot = Slot(free_slots_.back());
    free_slots_.pop_back();
    return &slot;
  }
  const uint32_t index = slots_in_use_.load(std::memory_order_relaxed);
  // Retired slots that wait for the service thread can fill the table.
  if (index >= chunks_.size() * kChunk) return nullptr;
  std::unique_ptr<SocketSlot[]>& chunk = chunks_[index / kChunk];
  if (!chunk) chunk = std::make_unique<SocketSlot[]>(kChunk);
  SocketSlot& slot = Slot(index);
  slot.index = index;
  slots_in_use_.store(index + 1, std::memory_order_release);
  return &slot;
}

int SocketTable::AddLocked(const SocketSpec& spec, SocketSlot** out) {
  if (spec.service->withdrawn || (spec.listener && spec.listener->withdrawn)) return -ENOENT;
  SocketSlot* slot = TakeFreeSlotLocked();
  if (!slot) return -ENOSPC;
  slot->fd = spec.fd;
  slot->role = spec.role;
  slot->protocol = spec.protocol;
  slot->service = spec.service;
  slot->listener = spec.listener;
  slot->remote = spec.remote;
  slot->create_time_nanos = absl::GetCurrentTimeNanos();
  slot->opened_ms = slot->active_ms = static_cast<uint32_t>(MonotonicNanos() / 1'000'000);
  slot->activity = 0;
  slot->inode = spec.role == Role::kRegistered ? InodeOf(spec.fd) : 0;
  slot->pev_index = -1;
  slot->stamp = 0;
  slot->end_of_stream = false;
  slot->end_offered = false;
  slot->failed = false;
  slot->close_reason = CloseReason::kNone;
  slot->idle_calls = 0;
  slot->counted = 0;
  slot->pauses = 0;
  slot->events.store(spec.events, std::memory_order_relaxed);
  slot->user_data.store(spec.user_data, std::memory_order_relaxed);
  slot->polling.store(spec.polling, std::memory_order_relaxed);
  const SocketId id = next_id_;
  slot->id.store(id, std::memory_order_release);

  const int error = epoll_.Add(spec.fd, EpollEvents(*slot, spec.events), slot->key());
  if (error != 0) {
    slot->id.store(0, std::memory_order_release);
    free_slots_.push_back(slot->index);
    // EBADF, EEXIST, EPERM (cannot be polled), ENOMEM, ENOSPC (the limit of
    // fs.epoll.max_user_watches)
    return -error;
  }

  ++next_id_;
  SocketSlot* stale = FindByFdLocked(spec.fd);
  if (static_cast<size_t>(spec.fd) >= slot_by_fd_.size()) {
    slot_by_fd_.resize(static_cast<size_t>(spec.fd) * 2 + 64);
  }
  slot_by_fd_[static_cast<size_t>(spec.fd)] = slot->index + 1;
  // The kernel took the fd although the table knew the number: the file that was
  // registered is gone, closed without a word, and the number is used anew.
  if (stale) RemoveLocked(*stale, Fate::kLeaveOpen, CloseReason::kClosedBehind);
  size_.fetch_add(1, std::memory_order_relaxed);
  if (spec.role == Role::kRegistered) registered_.fetch_add(1, std::memory_order_relaxed);
  ++spec.service->sockets;
  *out = slot;
  return 0;
}

int SocketTable::Add(const SocketSpec& spec, SocketId* id) {
  MutexLock lock(mutex_);
  SocketSlot* slot = nullptr;
  const int result = AddLocked(spec, &slot);
  if (result == 0) *id = slot->id.load(std::memory_order_relaxed);
  return result;
}

void SocketTable::RemoveLocked(SocketSlot& slot, Fate fate, CloseReason reason) {
  uint32_t& entry = slot_by_fd_[static_cast<size_t>(slot.fd)];
  // Only what still stands for this socket is removed and closed: a number that
  // was closed behind our back may be somebody else's by now.
  bool open = false;
  if (entry == slot.index + 1) {
    entry = 0;
    open = epoll_.Remove(slot.fd) == 0;
  }
  if (!open) {
    closed_behind_.fetch_add(1, std::memory_order_relaxed);
    closed_behind_log_.Log(
        LogLevel::kWarning,
        absl::StrCat("service ", *slot.service->name, " (", slot.service->owner, "): fd ", slot.fd,
                     " was closed without being unregistered; it is no longer polled"));
  }
  if (slot.pev_index >= 0) {
    pollfd& event = slot.service->descriptor->pev[slot.pev_index].event;
    event.fd = -1;
    event.events = 0;
    slot.service->free_entries.push_back(slot.pev_index);
    --slot.service->registered;
  }
  if (slot.role == Role::kRegistered) registered_.fetch_sub(1, std::memory_order_relaxed);
  --slot.service->sockets;
  slot.close_reason = open ? reason : CloseReason::kClosedBehind;
  slot.removed_turn.store(turn(), std::memory_order_relaxed);
  size_.fetch_sub(1, std::memory_order_relaxed);
  slot.id.store(0, std::memory_order_release);
  retired_.push_back({slot.index, open && fate == Fate::kClose ? slot.fd : -1});
  reap_needed_.store(true, std::memory_order_release);
}

bool SocketTable::Remove(SocketId id, Fate fate, CloseReason reason) {
  bool found = false;
  {
    MutexLock lock(mutex_);
    const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < end && !found; ++i) {
      SocketSlot& slot = Slot(i);
      if (slot.id.load(std::memory_order_relaxed) != id) continue;
      RemoveLocked(slot, fate, reason);
      found = true;
    }
  }
  if (found) epoll_.Wake();
  return found;
}

void SocketTable::RemoveSlot(SocketSlot& slot, Fate fate, CloseReason reason) {
  LoopLock lock(*this);
  // Another thread may have removed it since the caller looked it up: then the fd
  // can be somebody else's.
  if (slot.id.load(std::memory_order_relaxed) == 0) return;
  RemoveLocked(slot, fate, reason);
}

std::vector<SocketSlot*> SocketTable::SlotsOfLocked(const Listener& listener) {
  std::vector<SocketSlot*> slots;
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < end; ++i) {
    SocketSlot& slot = Slot(i);
    const bool used = slot.id.load(std::memory_order_relaxed) != 0;
    if (used && slot.listener == &listener) slots.push_back(&slot);
  }
  return slots;
}

size_t SocketTable::RemoveListener(Listener& listener, bool force,
                                   absl::AnyInvocable<void()> done) {
  size_t connections = 0;
  {
    MutexLock lock(mutex_);
    const std::vector<SocketSlot*> slots = SlotsOfLocked(listener);
    connections =
        static_cast<size_t>(std::count_if(slots.begin(), slots.end(), [](const SocketSlot* slot) {
          return slot->role == Role::kConnection;
        }));
    if (connections > 0 && !force) return connections;
    listener.withdrawn = true;
    listener.BeginDraining();
    for (SocketSlot* slot : slots) RemoveLocked(*slot, Fate::kClose, CloseReason::kListenerDeleted);
    RunAfterReapLocked(std::move(done));
  }
  epoll_.Wake();
  return connections;
}

void SocketTable::StopAccepting(Listener& listener) {
  {
    MutexLock lock(mutex_);
    listener.withdrawn = true;
    listener.BeginDraining();
    for (SocketSlot* slot : SlotsOfLocked(listener)) {
      const bool accepts = slot->role == Role::kListening || slot->role == Role::kDatagram;
      if (accepts) RemoveLocked(*slot, Fate::kClose, CloseReason::kListenerStopped);
    }
  }
  epoll_.Wake();
}

void SocketTable::RunAfterReapLocked(absl::AnyInvocable<void()> done) {
  if (done) after_reap_.push_back(std::move(done));
  reap_needed_.store(true, std::memory_order_release);
}

void SocketTable::Reap() {
  // Freeing what belongs to one socket can remove another.
  while (reap_needed_.load(std::memory_order_acquire)) ReapOnce();
}

void SocketTable::ReapOnce() {
  std::vector<Retired> retired;
  std::vector<absl::AnyInvocable<void()>> after;
  {
    LoopLock lock(*this);
    retired.swap(retired_);
    after.swap(after_reap_);
    reap_needed_.store(false, std::memory_order_relaxed);
  }
  for (const Retired& gone : retired) {
    if (gone.fd_to_close >= 0) UniqueFd(gone.fd_to_close).reset();
    SocketSlot& slot = Slot(gone.slot);
    if (slot.role == Role::kConnection) {
      slot.listener->counters.Add(Counter::active_connections, -1);
      slot.service->counters.Add(Counter::active_connections, -1);
      slot.listener->ForgetConnection(slot.remote);
    }
    void* user_data = slot.user_data.exchange(nullptr, std::memory_order_relaxed);
    if (user_data && slot.service->free_user_data) slot.service->free_user_data(user_data);
  }
  {
    LoopLock lock(*this);
    for (const Retired& gone : retired) {
      Slot(gone.slot).counters.Clear();
      free_slots_.push_back(gone.slot);
    }
  }
  for (absl::AnyInvocable<void()>& done : after) done();
}

bool SocketTable::NoteClose(int fd) {
  MutexLock lock(mutex_);
  SocketSlot* slot = FindByFdLocked(fd);
  if (!slot) return false;
  const bool owned = slot->role != Role::kRegistered;
  RemoveLocked(*slot, owned ? Fate::kClose : Fate::kLeaveOpen,
               owned ? CloseReason::kClosedByService : CloseReason::kUnregistered);
  return owned;
}

void SocketTable::CountForeign(int fd, int64_t received_bytes, int64_t received_messages,
                               int64_t transmitted_bytes, int64_t transmitted_messages) {
  MutexLock lock(mutex_);
  SocketSlot* slot = FindByFdLocked(fd);
  if (!slot) return;
  ForEachBlock(*slot, [&](CounterBlock& block) {
    block.AddReceivedFromAnyThread(received_bytes, received_messages);
    block.AddTransmittedFromAnyThread(transmitted_bytes, transmitted_messages);
  });
}

// ---- Reading ----------------------------------------------------------------

SocketSnapshot SocketTable::SnapshotLocked(SocketSlot& slot) const {
  SocketSnapshot out;
  out.id = slot.id.load(std::memory_order_relaxed);
  out.fd = slot.fd;
  out.role = slot.role;
  out.service = slot.service->name;
  if (slot.listener) out.listener = slot.listener->name();
  out.create_time_nanos = slot.create_time_nanos;
  out.events = slot.events.load(std::memory_order_relaxed);
  out.masked = slot.polling.load(std::memory_order_relaxed) == Polling::kMasked;
  out.counters = slot.counters.Read();

  // A program may have closed its fd, and the number may be another file now:
  // of that nothing is said. What a listener owns stays open under the mutex.
  const bool registered = slot.role == Role::kRegistered;
  if (registered && InodeOf(slot.fd) != slot.inode) return out;
  out.protocol = registered ? ProtocolOf(slot.fd) : slot.protocol;
  if (out.protocol == Protocol::kNone) return out;
  socklen_t length = sizeof(out.cookie);
  getsockopt(slot.fd, SOL_SOCKET, SO_COOKIE, &out.cookie, &length);
  out.local = NameOf(slot.fd, out.protocol, getsockname);
  out.remote = registered ? NameOf(slot.fd, out.protocol, getpeername) : slot.remote;
  return out;
}

void SocketTable::ForEach(const std::function<void(SocketSnapshot&&)>& visit) const {
  std::vector<SocketSnapshot> chunk;
  chunk.reserve(kSnapshotChunk);
  uint32_t next = 0;
  while (next < slots_in_use_.load(std::memory_order_acquire)) {
    {
      MutexLock lock(mutex_);
      const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
      for (; next < end && chunk.size() < kSnapshotChunk; ++next) {
        SocketSlot& slot = Slot(next);
        if (slot.id.load(std::memory_order_relaxed) != 0) chunk.push_back(SnapshotLocked(slot));
      }
    }
    for (SocketSnapshot& snapshot : chunk) visit(std::move(snapshot));
    chunk.clear();
    // A mutex is not fair: without this the thread that copies would take it
    // again before the service thread has woken up.
    while (loop_waits_.load(std::memory_order_relaxed)) std::this_thread::yield();
  }
}

std::optional<SocketSnapshot> SocketTable::Find(SocketId id) const {
  if (id <= 0) return std::nullopt;
  MutexLock lock(mutex_);
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < end; ++i) {
    SocketSlot& slot = Slot(i);
    if (slot.id.load(std::memory_order_relaxed) == id) return SnapshotLocked(slot);
  }
  return std::nullopt;
}

std::vector<SocketId> SocketTable::FindClosedBehind(uint32_t count) {
  std::vector<SocketId> found;
  LoopLock lock(*this);
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  if (audited_ >= end) audited_ = 0;
  for (; audited_ < end && count > 0; ++audited_, --count) {
    const SocketSlot& slot = Slot(audited_);
    const SocketId id = slot.id.load(std::memory_order_relaxed);
    if (id == 0 || slot.role != Role::kRegistered) continue;
    if (!IsStillPolledLocked(slot)) found.push_back(id);
  }
  return found;
}

std::pair<int, int> SocketTable::CountSockets(const Service& service) const {
  MutexLock lock(mutex_);
  return {service.registered, service.sockets};
}

// ---- The service thread -----------------------------------------------------

SocketSlot* SocketTable::Lookup(RegistrationKey key) {
  if (key.slot >= slots_in_use_.load(std::memory_order_acquire)) return nullptr;
  SocketSlot& slot = Slot(key.slot);
  const SocketId id = slot.id.load(std::memory_order_acquire);
  return id != 0 && static_cast<uint32_t>(id) == key.generation ? &slot : nullptr;
}

bool SocketTable::WasRemovedInAnEarlierTurn(RegistrationKey key) const {
  if (key.slot >= slots_in_use_.load(std::memory_order_acquire)) return false;
  return Slot(key.slot).removed_turn.load(std::memory_order_relaxed) + 1 < turn();
}

SocketSlot* SocketTable::SlotOfFd(int fd) {
  LoopLock lock(*this);
  return FindByFdLocked(fd);
}

SocketSlot* SocketTable::SlotOfId(SocketId id) {
  const uint32_t end = slots_in_use_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < end; ++i) {
    if (Slot(i).id.load(std::memory_order_relaxed) == id) return &Slot(i);
  }
  return nullptr;
}

bool SocketTable::IsStillPolledLocked(const SocketSlot& slot) const {
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  // The kernel would report such an entry once more if it were modified.
  if (slot.role == Role::kRegistered && polling != Polling::kLevel) {
    return InodeOf(slot.fd) == slot.inode;
  }
  // An entry belongs to a number and a file. Inodes alone tell no two eventfds apart.
  const uint32_t events = slot.events.load(std::memory_order_relaxed);
  return epoll_.Modify(slot.fd, EpollEvents(slot, events), slot.key()) == 0;
}

int SocketTable::ApplyEventsLocked(SocketSlot& slot, uint32_t events) {
  const int error = epoll_.Modify(slot.fd, EpollEvents(slot, events), slot.key());
  if (error != 0) return -error;
  slot.events.store(events, std::memory_order_relaxed);
  if (slot.pev_index >= 0) {
    slot.service->descriptor->pev[slot.pev_index].event.events = static_cast<short>(events);
  }
  return 0;
}

void SocketTable::SetEvents(SocketSlot& slot, uint32_t events) {
  LoopLock lock(*this);
  if (slot.id.load(std::memory_order_relaxed) == 0) return;  // as in RemoveSlot
  ApplyEventsLocked(slot, events);
}

void SocketTable::SetPolling(SocketSlot& slot, Polling polling) {
  LoopLock lock(*this);
  if (slot.id.load(std::memory_order_relaxed) == 0) return;  // as in RemoveSlot
  if (slot.polling.load(std::memory_order_relaxed) == Polling::kPaused) return;
  slot.polling.store(polling, std::memory_order_relaxed);
  ApplyEventsLocked(slot, slot.events.load(std::memory_order_relaxed));
}

bool SocketTable::RebuildEpoll() {
  LoopLock lock(*this);
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  // While the old set can still tell whose a number is.
  for (uint32_t i = 0; i < end; ++i) {
    SocketSlot& slot = Slot(i);
    if (slot.id.load(std::memory_order_relaxed) == 0) continue;
    if (slot.role == Role::kRegistered && !IsStillPolledLocked(slot)) {
      RemoveLocked(slot, Fate::kLeaveOpen, CloseReason::kClosedBehind);
    }
  }
  if (!epoll_.Replace().ok()) return false;
  for (uint32_t i = 0; i < end; ++i) {
    SocketSlot& slot = Slot(i);
    if (slot.id.load(std::memory_order_relaxed) == 0) continue;
    const uint32_t events = EpollEvents(slot, slot.events.load(std::memory_order_relaxed));
    if (epoll_.Add(slot.fd, events, slot.key()) != 0) {
      RemoveLocked(slot, Fate::kLeaveOpen, CloseReason::kClosedBehind);
    }
  }
  return true;
}

}  // namespace sockhost
