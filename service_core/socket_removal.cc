// Sockets that leave the table: the part of SocketTable from the removal, which any thread
// does, to the reaping, which the service thread does between handler calls.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "listener.h"
#include "program_call.h"
#include "socket_event.h"
#include "socket_table.h"

namespace sockhost {
namespace {

// How many sockets of a listener are removed before the mutex is let go: an
// epoll_ctl(2) each.
constexpr uint32_t kRemovalChunk = 32;

}  // namespace

void SocketTable::RemoveLocked(SocketSlot& slot, Fate fate, CloseReason reason, Ending ending) {
  // Only what still stands for this socket is removed and closed: a number that
  // was closed behind our back may be somebody else's by now.
  bool open = false;
  if (slot_by_fd_.Get(slot.fd) == slot.index + 1) {
    slot_by_fd_.Set(slot.fd, 0);
    open = EndsWithItsFd(slot, fate, ending) || RemoveFromEpoll(slot);
  }
  if (const int index = slot.pev_index(); index >= 0) {
    pollfd& event = slot.service->descriptor->pev[index].event;
    event.fd = -1;
    event.events = 0;
    slot.service->free_entries.push_back(index);
    --slot.service->registered;
  }
  if (slot.role == Role::kRegistered) registered_.fetch_sub(1, std::memory_order_relaxed);
  if (slot.is_exposed()) exposed_.fetch_sub(1, std::memory_order_relaxed);
  if (slot.role == Role::kListening) CountListening(slot).fetch_sub(1, std::memory_order_relaxed);
  --slot.service->sockets;
  slot.close_reason = open ? reason : CloseReason::kClosedBehind;
  slot.removed_turn.store(turn(), std::memory_order_relaxed);
  size_.store(size() - 1, std::memory_order_relaxed);
  LeaveIdsLocked(slot);
  slot.retired_id = slot.id.load(std::memory_order_relaxed);
  slot.id.store(0, std::memory_order_release);
  LeaveListLocked(slot);
  RetireLocked(slot, open && fate == Fate::kClose);
  if (!open) LogClosedBehind(slot);
}

// close(2) takes an entry out of the epoll set as well, if nobody has a duplicate of the fd: a
// system call less for each connection. What it was then is reported to nobody as long as no
// events are taken from the kernel before.
bool SocketTable::EndsWithItsFd(const SocketSlot& slot, Fate fate, Ending ending) const {
  const bool is_reaped_next = removals_ - reaped_ < kReapChunk;
  return ending == Ending::kInThisTurn && fate == Fate::kClose && is_reaped_next &&
         !slot.is_exposed();
}

void SocketTable::LogClosedBehind(const SocketSlot& slot) {
  closed_behind_.fetch_add(1, std::memory_order_relaxed);
  closed_behind_log_.Log(
      LogLevel::kWarning, "an fd was closed without being unregistered; it is no longer polled",
      {{"service", *slot.service->name}, {"owner", slot.service->owner}, {"fd", slot.fd}});
}

bool SocketTable::Remove(SocketId id, Fate fate, CloseReason reason) {
  {
    TableLock lock(*this);
    SocketSlot* slot = FindByIdLocked(id);
    if (!slot) return false;
    RemoveLocked(*slot, fate, reason);
  }
  epoll_.Wake();
  return true;
}

int SocketTable::CloseConnection(SocketId id, CloseReason reason, absl::AnyInvocable<void()> done) {
  AfterReapList after = MakeAfterReap(std::move(done));
  {
    TableLock lock(*this);
    SocketSlot* slot = FindByIdLocked(id);
    if (!slot) return -ENOENT;
    if (slot->role != Role::kConnection && slot->role != Role::kUpstream) return -EPERM;
    RemoveLocked(*slot, Fate::kClose, reason);
    RunAfterReapLocked(after);
  }
  epoll_.Wake();
  return 0;
}

void SocketTable::RemoveSlot(SocketSlot& slot, Fate fate, CloseReason reason) {
  // Where it will be described.
  ClosedSockets::Prefetch(*closing_[0]);
  TableLock lock(*this);
  // Another thread may have removed it since the caller looked it up: then the fd
  // can be somebody else's.
  if (slot.id.load(std::memory_order_relaxed) == 0) return;
  RemoveLocked(slot, fate, reason, Ending::kInThisTurn);
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
  AfterReapList after = MakeAfterReap(std::move(done));
  size_t connections = 0;
  SocketSlot* last = nullptr;
  bool finishes_here = false;
  {
    TableLock lock(*this);
    connections = listener.connections;
    if (connections > 0 && !force) return connections;
    listener.withdrawn = true;
    listener.BeginDraining();
    finishes_here = RemoveLastLocked(listener, &last);
  }
  if (finishes_here) {
    if (last) FinishHere(*last);
    for (AfterReap& task : after) task.task();
    return connections;
  }
  // From now on its list only gets shorter.
  for (bool is_last = false; !is_last;) {
    {
      TableLock lock(*this);
      for (uint32_t i = 0; i < kRemovalChunk && listener.first_slot != 0; ++i) {
        RemoveLocked(Slot(listener.first_slot - 1), Fate::kClose, CloseReason::kListenerDeleted);
      }
      is_last = listener.first_slot == 0;
      // Under the same lock: once it has run, nothing of the listener is there any more.
      if (is_last) RunAfterReapLocked(after);
    }
    epoll_.Wake();
    if (!is_last) LetOthersGoFirst();
  }
  return connections;
}

size_t SocketTable::RemoveConnections(Listener& listener, CloseReason reason) {
  size_t connections = 0;
  for (bool is_last = false; !is_last;) {
    {
      TableLock lock(*this);
      uint32_t removed = 0;
      uint32_t next = listener.first_slot;
      while (next != 0 && removed < kRemovalChunk) {
        SocketSlot& slot = Slot(next - 1);
        next = slot.next;
        if (slot.role != Role::kConnection && slot.role != Role::kUpstream) continue;
        if (slot.role == Role::kConnection) ++connections;
        RemoveLocked(slot, Fate::kClose, reason);
        ++removed;
      }
      is_last = next == 0;
    }
    epoll_.Wake();
    LetOthersGoFirst();
  }
  return connections;
}

void SocketTable::StopAccepting(Listener& listener) {
  {
    TableLock lock(*this);
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

void SocketTable::LockContended() const {
  waiting_.fetch_add(1, std::memory_order_relaxed);
  mutex_.LockAwake();
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

// A mutex is not fair: without this a thread that works in chunks would take it again
// before the service thread has woken up.
void SocketTable::LetOthersGoFirst() const {
  // Bounded: others can come without end, and this is somebody's answer too.
  constexpr int kMostYields = 10'000;
  for (int i = 0; i < kMostYields && waiting_.load(std::memory_order_relaxed) > 0; ++i) {
    std::this_thread::yield();
  }
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

SocketTable::AfterReapList SocketTable::MakeAfterReap(absl::AnyInvocable<void()> done) {
  AfterReapList after;
  if (done) after.push_back({std::move(done)});
  return after;
}

void SocketTable::RunAfterReapLocked(AfterReapList& after) {
  for (AfterReap& task : after) task.removals = removals_;
  after_reap_.splice(after_reap_.end(), after);
  reap_needed_.store(true, std::memory_order_release);
}

// No mutex: what runs here is a program's, which may remove more and reap, or wait for another
// thread that does.
void SocketTable::Reap() {
  if (reapers_.fetch_add(1) > 0) return;
  int calls = 1;
  do {
    while (!ReapSome()) {
    }
  } while (!reapers_.compare_exchange_strong(calls, 0));
}

bool SocketTable::ReapSome(int64_t now) {
  if (!reap_needed_.load(std::memory_order_acquire)) return true;
  std::array<SocketSlot*, kReapChunk> slots;
  size_t count = 0;
  {
    TableLock lock(*this);
    for (; count < slots.size() && first_retired_ != 0; ++count) {
      slots[count] = &Slot(first_retired_ - 1);
      first_retired_ = slots[count]->next;
    }
    if (first_retired_ == 0) last_retired_ = 0;
  }
  if (count > 0 && now == 0) now = absl::GetCurrentTimeNanos();
  for (size_t i = 0; i < count; ++i) {
    if (i + 1 < count) ClosedSockets::Prefetch(*closing_[i + 1]);
    Close(*slots[i], *closing_[i], now);
  }

  {
    TableLock lock(*this);
    // Of many at a time only the last ones stay.
    const size_t first = count - std::min(count, closed_.limit());
    for (size_t i = 0; i < count; ++i) {
      slots[i]->counters.Clear();
      GiveBackLocked(*slots[i]);
    }
    for (size_t i = first; i < count; ++i) {
      if (closing_[i]->id != 0) closed_.Exchange(closing_[i]);
    }
    reaped_ += count;
    // As nearly always: nobody waits for it.
    if (after_reap_.empty()) {
      reap_needed_.store(first_retired_ != 0, std::memory_order_relaxed);
      return first_retired_ == 0;
    }
  }
  for (AfterReapList next = NextAfterReap(); !next.empty(); next = NextAfterReap()) {
    next.front().task();
  }
  return !reap_needed_.load(std::memory_order_acquire);
}

SocketTable::AfterReapList SocketTable::NextAfterReap() {
  TableLock lock(*this);
  AfterReapList next;
  const bool is_reaped =
      closing_elsewhere_ == 0 && !after_reap_.empty() && after_reap_.front().removals <= reaped_;
  if (is_reaped) {
    next.splice(next.end(), after_reap_, after_reap_.begin());
  }
  // Freeing what belongs to one socket can remove another.
  const bool is_done = first_retired_ == 0 && after_reap_.empty();
  reap_needed_.store(!is_done, std::memory_order_relaxed);
  return next;
}

void SocketTable::Close(SocketSlot& slot, SocketSnapshot& closed, int64_t now) {
  try {
    // While the fd is open.
    DescribeRetired(slot, now, closed);
  } catch (const std::bad_alloc&) {
    closed.id = 0;
    not_described_.fetch_add(1, std::memory_order_relaxed);
  }
  Free(slot);
  const bool was_draining = closed.id != 0 && closed.draining;
  if (was_draining && closed.role == Role::kConnection) slot.listener->NoteDrained();
  if (events_ && closed.id != 0) events_->Record(ClosedEvent(closed));
}

void SocketTable::Free(SocketSlot& slot) {
  if (slot.closes_fd) UniqueFd(slot.fd).reset();
  // After the long system call: what was loaded before it is out of the cache again.
  if (events_) events_->Prefetch();
  if (slot.role == Role::kConnection) {
    slot.listener->counters.Add(Counter::active_connections, -1);
    slot.service->counters.Add(Counter::active_connections, -1);
    slot.listener->ForgetConnection(slot.address);
  }
  void* user_data = slot.user_data.load(std::memory_order_relaxed);
  if (!user_data) return;
  slot.user_data.store(nullptr, std::memory_order_relaxed);
  const auto free_user_data = slot.service->free_user_data;
  if (!free_user_data) return;
  // Those that are reaped with it are given back, whatever a program does.
  CallProgram(*slot.service, "free_user_data", [&] { free_user_data(user_data); });
}

Closer SocketTable::NoteClose(int fd) {
  TableLock lock(*this);
  SocketSlot* slot = FindByFd(fd);
  if (!slot) return Closer::kProgram;
  // The audit ends it; by now the number stands for a file of the program.
  if (slot->role != Role::kRegistered && IsClosedBehindLocked(*slot)) return Closer::kProgram;
  if (slot->is_of_listener_itself()) return Closer::kNobody;
  const bool owned = slot->role != Role::kRegistered;
  RemoveLocked(*slot, owned ? Fate::kClose : Fate::kLeaveOpen,
               owned ? CloseReason::kClosedByService : CloseReason::kUnregistered);
  return owned ? Closer::kHost : Closer::kProgram;
}

}  // namespace sockhost
