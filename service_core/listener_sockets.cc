// The sockets of listeners: the part of SocketTable behind their life.
#include <fcntl.h>

#include <utility>

#include "absl/time/clock.h"
#include "listener.h"
#include "socket_table.h"

namespace sockhost {

void SocketTable::SetPaused(SocketId id, bool paused) {
  TableLock lock(*this);
  SocketSlot* slot = FindByIdLocked(id);
  if (!slot) return;
  slot->polling.store(paused ? Polling::kPaused : Polling::kLevel, std::memory_order_relaxed);
  ApplyEventsLocked(*slot, slot->events.load(std::memory_order_relaxed));
}

UniqueFd SocketTable::Duplicate(SocketId id) const {
  TableLock lock(*this);
  const SocketSlot* slot = FindByIdLocked(id);
  return UniqueFd(slot ? fcntl(slot->fd, F_DUPFD_CLOEXEC, 0) : -1);
}

void SocketTable::RunBetweenHandlers(absl::FunctionRef<void()> change,
                                     absl::AnyInvocable<void()> task) {
  AfterReapList after = MakeAfterReap(std::move(task));
  {
    TableLock lock(*this);
    change();
    RunAfterReapLocked(after);
  }
  epoll_.Wake();
}

bool SocketTable::RemoveLastLocked(Listener& listener, SocketSlot** removed) {
  // Sockets are closed, and what waits for that runs, in the order of the removals.
  const bool is_first = after_reap_.empty() && removals_ - reaped_ == closing_elsewhere_;
  if (!is_first) return false;
  if (listener.first_slot == 0) return in_turn_.fetch_add(0, std::memory_order_acq_rel) == 0;
  SocketSlot& slot = Slot(listener.first_slot - 1);
  // What its service keeps with it is freed on the service thread.
  const bool is_bare = slot.role == Role::kListening ||
                       (slot.role == Role::kDatagram && slot.user_data.load() == nullptr);
  if (!is_bare || slot.next != 0) return false;
  RemoveLocked(slot, Fate::kClose, CloseReason::kListenerDeleted);
  // A turn that began before may have found the socket; one that begins from now on cannot.
  if (in_turn_.fetch_add(0, std::memory_order_acq_rel) != 0) return false;
  // It was retired alone.
  first_retired_ = last_retired_ = 0;
  reap_needed_.store(false, std::memory_order_relaxed);
  ++closing_elsewhere_;
  *removed = &slot;
  return true;
}

void SocketTable::FinishHere(SocketSlot& slot) {
  SocketSnapshot closed;
  Close(slot, closed, absl::GetCurrentTimeNanos());
  TableLock lock(*this);
  if (closed_.limit() > 0 && closed.id != 0) closed_.Add(std::move(closed));
  slot.counters.Clear();
  GiveBackLocked(slot);
  ++reaped_;
  --closing_elsewhere_;
}

SocketSlot* SocketTable::SlotInUse(uint32_t index) {
  SocketSlot& slot = Slot(index);
  return slot.id.load(std::memory_order_acquire) == 0 ? nullptr : &slot;
}

void SocketTable::ForEachPeer(const Listener& listener,
                              absl::FunctionRef<void(const SocketAddress& peer)> visit) {
  TableLock lock(*this);
  const auto look = [&](const SocketSlot& slot) {
    if (slot.listener == &listener && slot.role == Role::kConnection) visit(slot.address);
  };
  for (uint32_t next = listener.first_slot; next != 0; next = Slot(next - 1).next) {
    look(Slot(next - 1));
  }
  for (uint32_t next = first_retired_; next != 0; next = Slot(next - 1).next) {
    look(Slot(next - 1));
  }
}

}  // namespace sockhost
