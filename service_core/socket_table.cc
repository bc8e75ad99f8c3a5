#include "socket_table.h"

#include <poll.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>
#include <utility>

#include "absl/time/clock.h"
#include "listener.h"
#include "monotonic_clock.h"
#include "socket_event.h"

namespace sockhost {

SocketTable::SocketTable() {
  chunks_.resize(kMostSockets / kChunk);
  closing_.resize(kReapChunk);
  for (auto& place : closing_) place = std::make_unique<SocketSnapshot>();
}

SocketTable::~SocketTable() { Reap(); }

absl::Status SocketTable::Open() {
  if (absl::Status status = epoll_.Open(); !status.ok()) return status;
  anonymous_inode_ = InodeOf(epoll_.fd());
  return absl::OkStatus();
}

void SocketTable::SetLimit(size_t max_sockets) {
  max_sockets_.store(std::min(max_sockets, kMostSockets), std::memory_order_relaxed);
}

void SocketTable::SetClosedLimit(size_t closed_sockets) {
  TableLock lock(*this);
  closed_.SetLimit(closed_sockets);
}

// ---- Adding ----------------------------------------------------

SocketSlot* SocketTable::FindByFd(int fd) const {
  const uint32_t entry = slot_by_fd_.Get(fd);
  return entry == 0 ? nullptr : &Slot(entry - 1);
}

SocketSlot* SocketTable::FindByIdLocked(SocketId id) const {
  if (slot_by_id_.empty()) return nullptr;
  uint32_t next = slot_by_id_[static_cast<uint64_t>(id) & (slot_by_id_.size() - 1)];
  while (next != 0 && Slot(next - 1).id.load(std::memory_order_relaxed) != id) {
    next = Slot(next - 1).next_by_id;
  }
  return next == 0 ? nullptr : &Slot(next - 1);
}

void SocketTable::EnterIdsLocked(SocketSlot& slot) {
  uint32_t& first = IdChainLocked(slot.id.load(std::memory_order_relaxed));
  slot.next_by_id = std::exchange(first, slot.index + 1);
}

void SocketTable::LeaveIdsLocked(SocketSlot& slot) {
  uint32_t* link = &IdChainLocked(slot.id.load(std::memory_order_relaxed));
  while (*link != slot.index + 1) link = &Slot(*link - 1).next_by_id;
  *link = slot.next_by_id;
}

void SocketTable::WidenIdsLocked(size_t slots) {
  if (slots <= slot_by_id_.size()) return;
  std::vector<uint32_t> wider(std::bit_ceil(slots));
  slot_by_id_.swap(wider);
  const uint32_t end = slots_in_use_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < end; ++i) {
    if (Slot(i).id.load(std::memory_order_relaxed) != 0) EnterIdsLocked(Slot(i));
  }
}

SocketSlot* SocketTable::FindRegisteredLocked(const Service& service, int fd) const {
  SocketSlot* slot = FindByFd(fd);
  const bool found = slot && slot->role == Role::kRegistered && slot->service == &service;
  return found ? slot : nullptr;
}

SocketSlot* SocketTable::NextFreeSlotLocked() {
  if (size() >= max_sockets()) return nullptr;
  if (first_free_ != 0) return &Slot(first_free_ - 1);
  const uint32_t index = slots_in_use_.load(std::memory_order_relaxed);
  // Retired slots that wait for the service thread can fill the table.
  if (index >= chunks_.size() * kChunk) return nullptr;
  std::unique_ptr<SocketSlot[]>& chunk = chunks_[index / kChunk];
  if (!chunk) {
    WidenIdsLocked(index + kChunk);
    chunk = std::make_unique<SocketSlot[]>(kChunk);
  }
  SocketSlot& slot = Slot(index);
  slot.index = index;
  return &slot;
}

SocketSlot* SocketTable::TakeSlotLocked(int fd) {
  if (!slot_by_fd_.MakeRoom(fd)) return nullptr;
  SocketSlot* slot = NextFreeSlotLocked();
  if (!slot) return nullptr;
  if (first_free_ == 0) {
    slots_in_use_.store(slot->index + 1, std::memory_order_release);
  } else {
    first_free_ = slot->next;
  }
  return slot;
}

void SocketTable::GiveBackLocked(SocketSlot& slot) {
  slot.id.store(0, std::memory_order_release);
  slot.next = std::exchange(first_free_, slot.index + 1);
}

int SocketTable::AddLocked(const SocketSpec& spec, SocketSlot** out) {
  if (spec.service->withdrawn || (spec.listener && spec.listener->withdrawn)) return -ENOENT;
  // Whoever closed that closes its connections too, those that are there.
  const SocketSlot* const door = spec.accepted_by;
  if (door && door->id.load(std::memory_order_relaxed) == 0) return -ENOENT;
  const bool is_exposed = IsExposed(spec.role, *spec.service);
  const uint64_t inode = is_exposed ? InodeOf(spec.fd) : 0;
  // Before memory is taken: who knows what number this is.
  if (is_exposed && inode == 0) return -EBADF;
  SocketSlot* slot = nullptr;
  try {
    slot = TakeSlotLocked(spec.fd);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  if (!slot) return -ENOSPC;
  slot->fd = spec.fd;
  slot->role = spec.role;
  slot->protocol = spec.role == Role::kRegistered ? ProtocolOfSocket(spec.fd) : spec.protocol;
  slot->service = spec.service;
  slot->listener = spec.listener;
  slot->address = spec.address;
  slot->create_time_nanos = spec.wall_time != 0 ? spec.wall_time : absl::GetCurrentTimeNanos();
  if (spec.role == Role::kRegistered) {
    slot->registered = {.stamp = 0, .pev_index = -1};
  } else {
    const int64_t now = spec.monotonic_time != 0 ? spec.monotonic_time : MonotonicNanos();
    const auto now_ms = static_cast<uint32_t>(now / 1'000'000);
    slot->age = {.opened_ms = now_ms, .active_ms = now_ms};
  }
  slot->activity = 0;
  slot->inode = inode;
  slot->end_of_stream = false;
  slot->end_offered = false;
  slot->is_drained = false;
  slot->drained_calls = 0;
  slot->failed = false;
  slot->close_reason = CloseReason::kNone;
  slot->idle_calls = 0;
  slot->counted_messages = 0;
  slot->counted_failures = 0;
  slot->pauses = 0;
  slot->events.store(static_cast<uint16_t>(spec.events), std::memory_order_relaxed);
  slot->user_data.store(spec.user_data, std::memory_order_relaxed);
  slot->polling.store(spec.polling, std::memory_order_relaxed);
  slot->id.store(next_id_, std::memory_order_release);

  const int error = AddToEpoll(*slot, epoll_.fd());
  if (error != 0) {
    GiveBackLocked(*slot);
    // EBADF, EEXIST, EPERM (cannot be polled), ENOMEM, ENOSPC (the limit of
    // fs.epoll.max_user_watches)
    return -error;
  }

  ++next_id_;
  EnterIdsLocked(*slot);
  SocketSlot* stale = FindByFd(spec.fd);
  slot_by_fd_.Set(spec.fd, slot->index + 1);
  // The kernel took the fd although the table knew the number: the file that was
  // registered is gone, closed without a word, and the number is used anew.
  if (stale) RemoveLocked(*stale, Fate::kLeaveOpen, CloseReason::kClosedBehind);
  size_.store(size() + 1, std::memory_order_relaxed);
  if (spec.role == Role::kRegistered) registered_.fetch_add(1, std::memory_order_relaxed);
  if (is_exposed) exposed_.fetch_add(1, std::memory_order_relaxed);
  if (slot->role == Role::kListening) CountListening(*slot).fetch_add(1, std::memory_order_relaxed);
  ++spec.service->sockets;
  EnterListLocked(*slot);
  if (events_) events_->Record(OpenedEvent(*slot));
  *out = slot;
  return 0;
}

int SocketTable::Add(const SocketSpec& spec, SocketId* id, SocketSlot** slot) {
  TableLock lock(*this);
  SocketSlot* added = nullptr;
  const int result = AddLocked(spec, &added);
  if (result != 0) return result;
  *id = added->id.load(std::memory_order_relaxed);
  if (slot) *slot = added;
  return 0;
}

void SocketTable::CountForeign(int fd, int64_t received_bytes, int64_t received_messages,
                               int64_t transmitted_bytes, int64_t transmitted_messages) {
  TableLock lock(*this);
  SocketSlot* slot = FindByFd(fd);
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

void SocketTable::Prefetch(RegistrationKey key) const {
  if (key.slot >= slots_in_use_.load(std::memory_order_acquire)) return;
  PrefetchSlot(Slot(key.slot));
}

void SocketTable::PrefetchSlot(const SocketSlot& slot) {
  constexpr size_t kCacheLine = 64;
  const char* const bytes = reinterpret_cast<const char*>(&slot);
  for (size_t i = 0; i < sizeof(SocketSlot); i += kCacheLine) __builtin_prefetch(bytes + i);
}

bool SocketTable::WasRemovedInAnEarlierTurn(RegistrationKey key) const {
  if (key.slot >= slots_in_use_.load(std::memory_order_acquire)) return false;
  // Also when turns have begun anew from 0.
  return turn() - Slot(key.slot).removed_turn.load(std::memory_order_relaxed) > 1;
}

SocketSlot* SocketTable::SlotOfFd(int fd) { return FindByFd(fd); }

SocketSlot* SocketTable::SlotOfId(SocketId id) {
  TableLock lock(*this);
  return FindByIdLocked(id);
}

}  // namespace sockhost
