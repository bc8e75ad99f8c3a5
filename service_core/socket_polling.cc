// What the kernel is asked to report: the part of SocketTable that keeps the epoll set
// in step with the slots.
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>

#include "socket_table.h"

namespace sockhost {

// poll(2) and epoll(7) share the values of their bits on Linux.
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI);
static_assert(POLLERR == EPOLLERR && POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP);

uint64_t SocketTable::InodeOf(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

uint32_t SocketTable::EpollEvents(const SocketSlot& slot, uint32_t events) {
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  // Once reported, a one-shot entry is silent, POLLHUP included; an entry
  // without interest is not: it reports POLLHUP for ever.
  if (polling == Polling::kMasked || polling == Polling::kPaused) return EPOLLONESHOT;
  if (polling == Polling::kEdge) events |= EPOLLET;
  // Urgent data ends a receive call before the queue is empty, and the end of the stream can
  // arrive with the last data: EPOLLPRI and EPOLLRDHUP tell of them.
  if (polling == Polling::kArrivals && events == EPOLLIN) {
    events |= EPOLLET | EPOLLPRI | EPOLLRDHUP;
  }
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

int SocketTable::AddToEpoll(const SocketSlot& slot, int epoll) {
  if (slot.polling.load(std::memory_order_relaxed) == Polling::kOpening) return 0;
  const uint32_t events = slot.events.load(std::memory_order_relaxed);
  return EpollSet::AddTo(epoll, slot.fd, EpollEvents(slot, events), slot.key());
}

bool SocketTable::RemoveFromEpoll(const SocketSlot& slot) const {
  if (slot.polling.load(std::memory_order_relaxed) == Polling::kOpening) return true;
  return epoll_.Remove(slot.fd) == 0;
}

bool SocketTable::IsClosedBehind(const SocketSlot& slot) const {
  TableLock lock(*this);
  // Who removes it writes over the inode.
  return slot.id.load(std::memory_order_relaxed) != 0 && IsClosedBehindLocked(slot);
}

bool SocketTable::IsClosedBehindLocked(const SocketSlot& slot) {
  return slot.is_exposed() && InodeOf(slot.fd) != slot.inode;
}

bool SocketTable::IsStillPolledLocked(const SocketSlot& slot) const {
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  if (polling == Polling::kOpening) return true;
  // Such an entry would be reported once more if it were modified. What has no inode of its
  // own never hangs up.
  const bool is_quiet = slot.role != Role::kRegistered || polling != Polling::kLevel;
  if (is_quiet && slot.inode != anonymous_inode_) return !IsClosedBehindLocked(slot);
  // An entry belongs to a number and a file: only the kernel knows both.
  const uint32_t events = slot.events.load(std::memory_order_relaxed);
  return epoll_.Modify(slot.fd, EpollEvents(slot, events), slot.key()) == 0;
}

int SocketTable::ApplyEventsLocked(SocketSlot& slot, uint32_t events) {
  const bool is_opening = slot.polling.load(std::memory_order_relaxed) == Polling::kOpening;
  const int error = is_opening ? 0 : epoll_.Modify(slot.fd, EpollEvents(slot, events), slot.key());
  if (error != 0) return -error;
  slot.events.store(static_cast<uint16_t>(events), std::memory_order_relaxed);
  if (const int index = slot.pev_index(); index >= 0) {
    slot.service->descriptor->pev[index].event.events = static_cast<short>(events);
  }
  return 0;
}

void SocketTable::SetEvents(SocketSlot& slot, uint32_t events) {
  TableLock lock(*this);
  if (slot.id.load(std::memory_order_relaxed) == 0) return;  // as in RemoveSlot
  // An entry that waits for arrivals is silent when everything has arrived.
  const bool is_silent = slot.end_of_stream && events == 0 && slot.service->keeps_connections &&
                         slot.polling.load(std::memory_order_relaxed) == Polling::kArrivals &&
                         slot.events.load(std::memory_order_relaxed) == EPOLLIN;
  if (is_silent) {
    slot.events.store(0, std::memory_order_relaxed);
  } else {
    ApplyEventsLocked(slot, events);
  }
}

int SocketTable::StartPolling(SocketSlot& slot, SocketId id) {
  TableLock lock(*this);
  if (slot.id.load(std::memory_order_relaxed) != id) return 0;
  slot.polling.store(FirstPolling(*slot.service, slot.protocol), std::memory_order_relaxed);
  const int error = AddToEpoll(slot, epoll_.fd());
  if (error == 0) return 0;
  // Else it would count as closed behind our back, as it is if its number is not open.
  if (error != EBADF) slot.polling.store(Polling::kOpening, std::memory_order_relaxed);
  RemoveLocked(slot, Fate::kClose, CloseReason::kFailed);
  return error == EBADF ? 0 : -error;
}

void SocketTable::SetPolling(SocketSlot& slot, Polling polling) {
  TableLock lock(*this);
  if (slot.id.load(std::memory_order_relaxed) == 0) return;  // as in RemoveSlot
  if (slot.polling.load(std::memory_order_relaxed) == Polling::kPaused) return;
  slot.polling.store(polling, std::memory_order_relaxed);
  ApplyEventsLocked(slot, slot.events.load(std::memory_order_relaxed));
}

bool SocketTable::RebuildEpoll() {
  TableLock lock(*this);
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  // While the old set can still tell whose a number is.
  for (uint32_t i = 0; i < end; ++i) {
    SocketSlot& slot = Slot(i);
    if (slot.id.load(std::memory_order_relaxed) == 0) continue;
    if (slot.is_exposed() && !IsStillPolledLocked(slot)) {
      RemoveLocked(slot, Fate::kLeaveOpen, CloseReason::kClosedBehind);
    }
  }
  const auto fill = [&](int fresh) {
    mutex_.AssertHeld();
    for (uint32_t i = 0; i < end; ++i) {
      SocketSlot& slot = Slot(i);
      if (slot.id.load(std::memory_order_relaxed) == 0) continue;
      const int error = AddToEpoll(slot, fresh);
      // All or nothing: what is polled stays so until there is room for all of it.
      if (error == ENOMEM || error == ENOSPC) return error;
      if (error != 0) RemoveLocked(slot, Fate::kLeaveOpen, CloseReason::kClosedBehind);
    }
    return 0;
  };
  return epoll_.Replace(fill).ok();
}

std::vector<SocketId> SocketTable::FindClosedBehind(uint32_t count) {
  std::vector<SocketId> found;
  TableLock lock(*this);
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  if (audited_ >= end) audited_ = 0;
  for (; audited_ < end && count > 0; ++audited_, --count) {
    const SocketSlot& slot = Slot(audited_);
    const SocketId id = slot.id.load(std::memory_order_relaxed);
    if (id == 0 || !slot.is_exposed()) continue;
    if (!IsStillPolledLocked(slot)) found.push_back(id);
  }
  return found;
}

}  // namespace sockhost
