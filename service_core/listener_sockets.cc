// The sockets of listeners: the part of SocketTable behind their life.
#include <algorithm>
#include <utility>
#include <vector>

#include "listener.h"
#include "socket_table.h"

namespace sockhost {

SocketSlot* SocketTable::FindByIdLocked(SocketId id) const {
  if (id <= 0) return nullptr;
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < end; ++i) {
    if (Slot(i).id.load(std::memory_order_relaxed) == id) return &Slot(i);
  }
  return nullptr;
}

size_t SocketTable::RemoveConnections(Listener& listener, CloseReason reason) {
  size_t connections = 0;
  {
    MutexLock lock(mutex_);
    for (SocketSlot* slot : SlotsOfLocked(listener)) {
      if (slot->role != Role::kConnection && slot->role != Role::kUpstream) continue;
      if (slot->role == Role::kConnection) ++connections;
      RemoveLocked(*slot, Fate::kClose, reason);
    }
  }
  epoll_.Wake();
  return connections;
}

bool SocketTable::SetPaused(SocketId id, bool paused) {
  MutexLock lock(mutex_);
  SocketSlot* slot = FindByIdLocked(id);
  if (!slot) return false;
  slot->polling.store(paused ? Polling::kPaused : Polling::kLevel, std::memory_order_relaxed);
  return ApplyEventsLocked(*slot, slot->events.load(std::memory_order_relaxed)) == 0;
}

bool SocketTable::VisitFd(SocketId id, absl::FunctionRef<void(int fd)> visit) {
  MutexLock lock(mutex_);
  const SocketSlot* slot = FindByIdLocked(id);
  if (!slot) return false;
  visit(slot->fd);
  return true;
}

void SocketTable::RunBetweenHandlers(absl::AnyInvocable<void()> task) {
  {
    MutexLock lock(mutex_);
    RunAfterReapLocked(std::move(task));
  }
  epoll_.Wake();
}

SocketSlot* SocketTable::SlotInUse(uint32_t index) {
  SocketSlot& slot = Slot(index);
  return slot.id.load(std::memory_order_acquire) == 0 ? nullptr : &slot;
}

void SocketTable::ForEachPeer(const Listener& listener,
                              absl::FunctionRef<void(const SocketAddress& peer)> visit) {
  MutexLock lock(mutex_);
  const auto look = [&](const SocketSlot& slot) {
    if (slot.listener == &listener && slot.role == Role::kConnection) visit(slot.remote);
  };
  for (const SocketSlot* slot : SlotsOfLocked(listener)) look(*slot);
  for (const Retired& gone : retired_) look(Slot(gone.slot));
}

}  // namespace sockhost
