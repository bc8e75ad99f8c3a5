// Copies of what the table holds, for other threads.
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "listener.h"
#include "socket_table.h"

namespace sockhost {
namespace {

// How many sockets are copied before the mutex is let go.
constexpr uint32_t kSnapshotChunk = 32;

Protocol ProtocolOf(int fd) {
  int domain = 0;
  int type = 0;
  socklen_t length = sizeof(int);
  int protocol = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0) {
    return Protocol::kNone;
  }
  if (domain == AF_UNIX && type == SOCK_STREAM) return Protocol::kUnixStream;
  if (domain == AF_UNIX && type == SOCK_DGRAM) return Protocol::kUnixDatagram;
  if (domain != AF_INET && domain != AF_INET6) return Protocol::kNone;
  // Not by the type: SCTP has streams too, and raw sockets send datagrams of any protocol.
  if (type == SOCK_STREAM && protocol == IPPROTO_TCP) return Protocol::kTcp;
  if (type == SOCK_DGRAM && protocol == IPPROTO_UDP) return Protocol::kUdp;
  return Protocol::kNone;
}

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

SocketAddress NameOf(int fd, Protocol protocol, NameFunction function) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (function(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return SocketAddress::From(protocol, reinterpret_cast<sockaddr*>(&storage), length);
}

}  // namespace

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
  socklen_t length = sizeof(out.cookie);
  getsockopt(slot.fd, SOL_SOCKET, SO_COOKIE, &out.cookie, &length);
  out.protocol = registered ? ProtocolOf(slot.fd) : slot.protocol;
  if (out.protocol == Protocol::kNone) return out;
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
    LetLoopGoFirst();
  }
}

std::optional<SocketSnapshot> SocketTable::Find(SocketId id) const {
  MutexLock lock(mutex_);
  SocketSlot* slot = FindByIdLocked(id);
  if (!slot) return std::nullopt;
  return SnapshotLocked(*slot);
}

std::pair<int, int> SocketTable::CountSockets(const Service& service) const {
  MutexLock lock(mutex_);
  return {service.registered, service.sockets};
}

}  // namespace sockhost
