// The sockets of listeners: the part of SocketTable behind their life.
#include <fcntl.h>

#include <utility>

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

SocketSlot* SocketTable::SlotInUse(uint32_t index) {
  SocketSlot& slot = Slot(index);
  return slot.id.load(std::memory_order_acquire) == 0 ? nullptr : &slot;
}

void SocketTable::ForEachPeer(const Listener& listener,
                              absl::FunctionRef<void(const SocketAddress& peer)> visit) {
  TableLock lock(*this);
  const auto look = [&](const SocketSlot& slot) {
    if (slot.listener == &listener && slot.role == Role::kConnection) visit(slot.remote);
  };
  for (uint32_t next = listener.first_slot; next != 0; next = Slot(next - 1).next) {
    look(Slot(next - 1));
  }
  for (uint32_t next = first_retired_; next != 0; next = Slot(next - 1).next) {
    look(Slot(next - 1));
  }
}

}  // namespace sockhost
