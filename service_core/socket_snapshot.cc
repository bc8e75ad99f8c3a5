// Copies of what the table holds, for other threads.
#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "listener.h"
#include "socket_table.h"

namespace sockhost {
namespace {

// How many sockets are copied before the mutex is let go: some 0.2 us each.
constexpr uint32_t kSnapshotChunk = 8;
// How many closed sockets are looked at before the mutex is let go.
constexpr uint32_t kSearchChunk = 512;

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

SocketAddress NameOf(int fd, Protocol protocol, NameFunction function) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (function(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return SocketAddress::From(protocol, reinterpret_cast<sockaddr*>(&storage), length);
}

// 0: it is no socket.
uint64_t CookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
  return cookie;
}

// What the table itself knows; `out` may have described another socket. Throws std::bad_alloc.
void Describe(const SocketSlot& slot, SocketId id, SocketSnapshot& out) {
  out.id = id;
  out.fd = slot.fd;
  out.role = slot.role;
  // Most often those of the socket before: then there are no references to count.
  if (out.service != slot.service->name) out.service = slot.service->name;
  out.local = slot.has_own_address() ? slot.address : SocketAddress();
  out.remote = slot.has_peer_address() ? slot.address : SocketAddress();
  if (slot.listener) {
    slot.listener->Describe(slot.role, out);
  } else {
    out.listener = nullptr;
    out.draining = false;
  }
  out.create_time_nanos = slot.create_time_nanos;
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  out.events = polling == Polling::kPaused ? 0 : slot.events.load(std::memory_order_relaxed);
  out.masked = polling == Polling::kMasked;
  slot.counters.ReadInto(out.counters);
}

}  // namespace

AddressFamily SocketSnapshot::family() const {
  // One that is unnamed has no address.
  const bool is_unix = protocol == Protocol::kUnixStream || protocol == Protocol::kUnixDatagram;
  if (is_unix) return AddressFamily::kUnix;
  switch (local.empty() ? remote.family() : local.family()) {
    case AF_INET:
      return AddressFamily::kIpv4;
    case AF_INET6:
      return AddressFamily::kIpv6;
    default:
      return AddressFamily::kNone;
  }
}

SocketTable::Copy SocketTable::CopyLocked(const SocketSlot& slot) const {
  Copy copy;
  copy.slot = &slot;
  copy.inode = slot.is_exposed() ? slot.inode : 0;
  copy.protocol = slot.protocol;
  Describe(slot, slot.id.load(std::memory_order_relaxed), copy.socket);
  return copy;
}

// An fd of ours is closed after its id has gone: while that stands, the answers were of it. A
// program may close its fd at any moment, and the number may be another file then: of that
// nothing is said.
bool SocketTable::Complete(Copy& copy) {
  SocketSnapshot& out = copy.socket;
  const bool registered = out.role == Role::kRegistered;
  const auto is_same = [&copy] { return copy.inode == 0 || InodeOf(copy.socket.fd) == copy.inode; };
  if (is_same()) {
    const uint64_t cookie = CookieOf(out.fd);
    SocketAddress local = std::move(out.local);
    SocketAddress remote = std::move(out.remote);
    const bool is_known = copy.protocol != Protocol::kNone;
    if (is_known && local.empty()) local = NameOf(out.fd, copy.protocol, getsockname);
    if (is_known && registered) remote = NameOf(out.fd, copy.protocol, getpeername);
    if (is_same()) {
      out.cookie = cookie;
      out.protocol = copy.protocol;
      out.local = std::move(local);
      out.remote = std::move(remote);
    }
  }
  return copy.slot->id.load(std::memory_order_acquire) == out.id;
}

void SocketTable::ForEach(const std::function<void(SocketSnapshot&&)>& visit,
                          SocketId after) const {
  std::vector<const SocketSlot*> slots;
  std::vector<Copy> copies;
  slots.reserve(kSnapshotChunk);
  copies.reserve(kSnapshotChunk);
  uint32_t next = 0;
  while (next < slots_in_use_.load(std::memory_order_acquire)) {
    next = FindInUse(next, after, slots);
    {
      TableLock lock(*this);
      for (const SocketSlot* slot : slots) {
        if (slot->id.load(std::memory_order_relaxed) > after) copies.push_back(CopyLocked(*slot));
      }
    }
    for (Copy& copy : copies) {
      if (Complete(copy)) visit(std::move(copy.socket));
    }
    copies.clear();
    LetOthersGoFirst();
  }
}

uint32_t SocketTable::FindInUse(uint32_t index, SocketId after,
                                std::vector<const SocketSlot*>& slots) const {
  slots.clear();
  const uint32_t end = slots_in_use_.load(std::memory_order_acquire);
  for (; index < end && slots.size() < kSnapshotChunk; ++index) {
    const SocketSlot& slot = Slot(index);
    // An id of 0 is no socket, and `after` is at least that.
    if (slot.id.load(std::memory_order_relaxed) <= after) continue;
    PrefetchSlot(slot);
    slots.push_back(&slot);
  }
  // Its last word; the first was the id. A hypervisor can take 150 us to bring a page back,
  // and a prefetch does not wait for that.
  for (const SocketSlot* slot : slots) slot->counters.has_rare();
  return index;
}

std::vector<SocketId> SocketTable::IdsAfter(SocketId after, size_t most) const {
  std::vector<SocketId> ids;
  const uint32_t end = slots_in_use_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < end; ++i) {
    const SocketId id = Slot(i).id.load(std::memory_order_relaxed);
    if (id > after) ids.push_back(id);
  }
  if (ids.size() > most) {
    std::nth_element(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(most), ids.end());
    ids.resize(most);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Its handler will not be called any more, so the counters are final; its fd is not
// closed yet if it is ours to close.
void SocketTable::DescribeRetired(const SocketSlot& slot, int64_t now, SocketSnapshot& out) {
  Describe(slot, slot.retired_id, out);
  out.cookie = 0;
  out.protocol = slot.protocol;
  out.close_reason = slot.close_reason;
  out.close_time_nanos = now;
  if (slot.closes_fd && out.local.empty()) {
    out.local = NameOf(slot.fd, slot.protocol, getsockname);
  }
}

void SocketTable::ForEachClosed(const std::function<void(SocketSnapshot&&)>& visit) const {
  std::vector<SocketSnapshot> chunk;
  uint64_t next = 0;
  bool more = true;
  while (more) {
    {
      TableLock lock(*this);
      // What went meanwhile is the oldest.
      next = std::max(next, closed_.begin());
      for (; next < closed_.end() && chunk.size() < kSnapshotChunk; ++next) {
        chunk.push_back(closed_[next]);
      }
      more = next < closed_.end();
    }
    for (SocketSnapshot& snapshot : chunk) visit(std::move(snapshot));
    chunk.clear();
    LetOthersGoFirst();
  }
}

std::optional<SocketSnapshot> SocketTable::FindClosed(SocketId id) const {
  // From the newest on: what was closed just now is asked for most often.
  uint64_t next = std::numeric_limits<uint64_t>::max();
  while (true) {
    TableLock lock(*this);
    next = std::min(next, closed_.end());
    for (uint32_t looked = 0; looked < kSearchChunk; ++looked) {
      if (next <= closed_.begin()) return std::nullopt;
      --next;
      if (closed_[next].id == id) return closed_[next];
    }
  }
}

std::pair<size_t, size_t> SocketTable::CountClosed() const {
  TableLock lock(*this);
  return {static_cast<size_t>(closed_.end() - closed_.begin()), closed_.limit()};
}

bool SocketTable::Inspect(SocketId id, int fd, absl::FunctionRef<void(int)> inspect) const {
  const SocketSlot* slot = nullptr;
  uint64_t inode = 0;
  {
    TableLock lock(*this);
    slot = FindByFd(fd);
    if (!slot || slot->id.load(std::memory_order_relaxed) != id) return false;
    if (slot->is_exposed()) inode = slot->inode;
  }
  // As in Complete: what was read counts only if the socket was the same before and after.
  if (inode != 0 && InodeOf(fd) != inode) return false;
  inspect(fd);
  if (inode != 0 && InodeOf(fd) != inode) return false;
  return slot->id.load(std::memory_order_acquire) == id;
}

std::optional<SocketSnapshot> SocketTable::Find(SocketId id) const {
  Copy copy;
  {
    TableLock lock(*this);
    const SocketSlot* slot = FindByIdLocked(id);
    if (!slot) return std::nullopt;
    copy = CopyLocked(*slot);
  }
  if (!Complete(copy)) return std::nullopt;
  return std::move(copy.socket);
}

std::pair<int, int> SocketTable::CountSockets(const Service& service) const {
  TableLock lock(*this);
  return {service.registered, service.sockets};
}

}  // namespace sockhost
