#include "socket_table.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "listener.h"

namespace sockhost {
namespace {

// How many sockets of a listener are removed before the mutex is let go: an
// epoll_ctl(2) each.
constexpr uint32_t kRemovalChunk = 32;

// How many sockets are closed before other sockets are served: closing a connection
// takes some microseconds.
constexpr size_t kReapChunk = 64;

}  // namespace

SocketTable::SocketTable() { chunks_.resize(kMostSockets / kChunk); }

SocketTable::~SocketTable() { Reap(); }

absl::Status SocketTable::Open() {
  if (absl::Status status = epoll_.Open(); !status.ok()) return status;
  anonymous_inode_ = InodeOf(epoll_.fd());
  return absl::OkStatus();
}

void SocketTable::SetLimit(size_t max_sockets) {
  max_sockets_.store(std::min(max_sockets, kMostSockets), std::memory_order_relaxed);
}

// ---- Adding and removing ----------------------------------------------------

SocketSlot* SocketTable::FindByFdLocked(int fd) const {
  if (fd < 0 || static_cast<size_t>(fd) >= slot_by_fd_.size()) return nullptr;
  const uint32_t entry = slot_by_fd_[static_cast<size_t>(fd)];
  return entry == 0 ? nullptr : &Slot(entry - 1);
}

SocketSlot* SocketTable::FindByIdLocked(SocketId id) const {
  const auto found = slot_by_id_.find(id);
  return found == slot_by_id_.end() ? nullptr : &Slot(found->second);
}

SocketSlot* SocketTable::FindRegisteredLocked(const Service& service, int fd) const {
  SocketSlot* slot = FindByFdLocked(fd);
  const bool found = slot && slot->role == Role::kRegistered && slot->service == &service;
  return found ? slot : nullptr;
}

SocketSlot* SocketTable::NextFreeSlotLocked() {
  if (size() >= max_sockets()) return nullptr;
  if (!free_slots_.empty()) return &Slot(free_slots_.back());
  const uint32_t index = slots_in_use_.load(std::memory_order_relaxed);
  // Retired slots that wait for the service thread can fill the table.
  if (index >= chunks_.size() * kChunk) return nullptr;
  std::unique_ptr<SocketSlot[]>& chunk = chunks_[index / kChunk];
  if (!chunk) {
    // Giving a slot back must not need memory.
    free_slots_.reserve(index + kChunk);
    chunk = std::make_unique<SocketSlot[]>(kChunk);
  }
  SocketSlot& slot = Slot(index);
  slot.index = index;
  return &slot;
}

SocketSlot* SocketTable::TakeSlotLocked(int fd) {
  const auto number = static_cast<size_t>(fd);
  if (number >= slot_by_fd_.size()) slot_by_fd_.resize(number * 2 + 64);
  SocketSlot* slot = NextFreeSlotLocked();
  if (!slot) return nullptr;
  slot_by_id_.emplace(next_id_, slot->index);
  if (free_slots_.empty()) {
    slots_in_use_.store(slot->index + 1, std::memory_order_release);
  } else {
    free_slots_.pop_back();
  }
  return slot;
}

void SocketTable::GiveBackLocked(SocketSlot& slot) {
  slot_by_id_.erase(slot.id.load(std::memory_order_relaxed));
  slot.id.store(0, std::memory_order_release);
  free_slots_.push_back(slot.index);
}

int SocketTable::AddLocked(const SocketSpec& spec, SocketSlot** out) {
  if (spec.service->withdrawn || (spec.listener && spec.listener->withdrawn)) return -ENOENT;
  const uint64_t inode = spec.role == Role::kRegistered ? InodeOf(spec.fd) : 0;
  // Before memory is taken: who knows what number this is.
  if (spec.role == Role::kRegistered && inode == 0) return -EBADF;
  SocketSlot* slot = nullptr;
  try {
    slot = TakeSlotLocked(spec.fd);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  if (!slot) return -ENOSPC;
  slot->fd = spec.fd;
  slot->role = spec.role;
  slot->protocol = spec.protocol;
  slot->service = spec.service;
  slot->listener = spec.listener;
  slot->remote = spec.remote;
  slot->create_time_nanos = absl::GetCurrentTimeNanos();
  slot->inode = inode;
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
  slot->id.store(next_id_, std::memory_order_release);

  const int error = epoll_.Add(spec.fd, EpollEvents(*slot, spec.events), slot->key());
  if (error != 0) {
    GiveBackLocked(*slot);
    // EBADF, EEXIST, EPERM (cannot be polled), ENOMEM, ENOSPC (the limit of
    // fs.epoll.max_user_watches)
    return -error;
  }

  ++next_id_;
  SocketSlot* stale = FindByFdLocked(spec.fd);
  slot_by_fd_[static_cast<size_t>(spec.fd)] = slot->index + 1;
  // The kernel took the fd although the table knew the number: the file that was
  // registered is gone, closed without a word, and the number is used anew.
  if (stale) RemoveLocked(*stale, Fate::kLeaveOpen, CloseReason::kClosedBehind);
  size_.fetch_add(1, std::memory_order_relaxed);
  if (spec.role == Role::kRegistered) registered_.fetch_add(1, std::memory_order_relaxed);
  ++spec.service->sockets;
  EnterListLocked(*slot);
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
  slot_by_id_.erase(slot.id.load(std::memory_order_relaxed));
  slot.id.store(0, std::memory_order_release);
  LeaveListLocked(slot);
  RetireLocked(slot, open && fate == Fate::kClose);
  if (!open) LogClosedBehind(slot);
}

void SocketTable::LogClosedBehind(const SocketSlot& slot) {
  closed_behind_.fetch_add(1, std::memory_order_relaxed);
  closed_behind_log_.Log(
      LogLevel::kWarning, "an fd was closed without being unregistered; it is no longer polled",
      {{"service", *slot.service->name}, {"owner", slot.service->owner}, {"fd", slot.fd}});
}

bool SocketTable::Remove(SocketId id, Fate fate, CloseReason reason) {
  {
    MutexLock lock(mutex_);
    SocketSlot* slot = FindByIdLocked(id);
    if (!slot) return false;
    RemoveLocked(*slot, fate, reason);
  }
  epoll_.Wake();
  return true;
}

void SocketTable::RemoveSlot(SocketSlot& slot, Fate fate, CloseReason reason) {
  LoopLock lock(*this);
  // Another thread may have removed it since the caller looked it up: then the fd
  // can be somebody else's.
  if (slot.id.load(std::memory_order_relaxed) == 0) return;
  RemoveLocked(slot, fate, reason);
}

// ---- Sockets of a listener --------------------------------------------------

void SocketTable::EnterListLocked(SocketSlot& slot) {
  if (!slot.listener) return;
  slot.previous = 0;
  slot.next = std::exchange(slot.listener->first_slot, slot.index + 1);
  if (slot.next) {
    Slot(slot.next - 1).previous = slot.index + 1;
  }
  if (slot.role == Role::kConnection) ++slot.listener->connections;
}

void SocketTable::LeaveListLocked(SocketSlot& slot) {
  if (!slot.listener) return;
  const uint32_t next = slot.next;
  const uint32_t previous = slot.previous;
  (previous ? Slot(previous - 1).next : slot.listener->first_slot) = next;
  if (next) Slot(next - 1).previous = previous;
  if (slot.role == Role::kConnection) --slot.listener->connections;
}

size_t SocketTable::RemoveListener(Listener& listener, bool force,
                                   absl::AnyInvocable<void()> done) {
  size_t connections = 0;
  {
    MutexLock lock(mutex_);
    connections = listener.connections;
    if (connections > 0 && !force) return connections;
    listener.withdrawn = true;
    listener.BeginDraining();
  }
  // From now on its list only gets shorter.
  for (bool is_last = false; !is_last;) {
    {
      MutexLock lock(mutex_);
      for (uint32_t i = 0; i < kRemovalChunk && listener.first_slot != 0; ++i) {
        RemoveLocked(Slot(listener.first_slot - 1), Fate::kClose, CloseReason::kListenerDeleted);
      }
      is_last = listener.first_slot == 0;
      // Under the same lock: once it has run, nothing of the listener is there any more.
      if (is_last) RunAfterReapLocked(std::move(done));
    }
    epoll_.Wake();
    LetLoopGoFirst();
  }
  return connections;
}

void SocketTable::StopAccepting(Listener& listener) {
  {
    MutexLock lock(mutex_);
    listener.withdrawn = true;
    listener.BeginDraining();
    for (uint32_t next = listener.first_slot; next != 0;) {
      SocketSlot& slot = Slot(next - 1);
      next = slot.next;
      const bool accepts = slot.role == Role::kListening || slot.role == Role::kDatagram;
      if (accepts) RemoveLocked(slot, Fate::kClose, CloseReason::kListenerStopped);
    }
  }
  epoll_.Wake();
}

// A mutex is not fair: without this a thread that works in chunks would take it again
// before the service thread has woken up.
void SocketTable::LetLoopGoFirst() const {
  while (loop_waits_.load(std::memory_order_relaxed)) std::this_thread::yield();
}

// ---- Reaping ----------------------------------------------------------------

void SocketTable::RetireLocked(SocketSlot& slot, bool closes_fd) {
  slot.closes_fd = closes_fd;
  slot.next = 0;
  (last_retired_ ? Slot(last_retired_ - 1).next : first_retired_) = slot.index + 1;
  last_retired_ = slot.index + 1;
  ++removals_;
  reap_needed_.store(true, std::memory_order_release);
}

void SocketTable::RunAfterReapLocked(absl::AnyInvocable<void()> done) {
  if (done) after_reap_.push_back({removals_, std::move(done)});
  reap_needed_.store(true, std::memory_order_release);
}

void SocketTable::Reap() {
  while (!ReapSome()) {
  }
}

bool SocketTable::ReapSome() {
  if (!reap_needed_.load(std::memory_order_acquire)) return true;
  std::array<SocketSlot*, kReapChunk> slots;
  size_t count = 0;
  {
    LoopLock lock(*this);
    for (; count < slots.size() && first_retired_ != 0; ++count) {
      slots[count] = &Slot(first_retired_ - 1);
      first_retired_ = slots[count]->next;
    }
    if (first_retired_ == 0) last_retired_ = 0;
  }
  for (size_t i = 0; i < count; ++i) Free(*slots[i]);

  {
    LoopLock lock(*this);
    for (size_t i = 0; i < count; ++i) {
      slots[i]->counters.Clear();
      free_slots_.push_back(slots[i]->index);
    }
    reaped_ += count;
  }
  while (absl::AnyInvocable<void()> task = NextAfterReap()) task();
  return !reap_needed_.load(std::memory_order_acquire);
}

absl::AnyInvocable<void()> SocketTable::NextAfterReap() {
  LoopLock lock(*this);
  absl::AnyInvocable<void()> task;
  if (!after_reap_.empty() && after_reap_.front().removals <= reaped_) {
    task = std::move(after_reap_.front().task);
    after_reap_.pop_front();
  }
  // Freeing what belongs to one socket can remove another.
  const bool is_done = first_retired_ == 0 && after_reap_.empty();
  reap_needed_.store(!is_done, std::memory_order_relaxed);
  return task;
}

void SocketTable::Free(SocketSlot& slot) {
  if (slot.closes_fd) UniqueFd(slot.fd).reset();
  if (slot.role == Role::kConnection) {
    slot.listener->counters.Add(Counter::active_connections, -1);
    slot.service->counters.Add(Counter::active_connections, -1);
  }
  void* user_data = slot.user_data.exchange(nullptr, std::memory_order_relaxed);
  if (user_data && slot.service->free_user_data) slot.service->free_user_data(user_data);
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
  LoopLock lock(*this);
  return FindByIdLocked(id);
}

}  // namespace sockhost
