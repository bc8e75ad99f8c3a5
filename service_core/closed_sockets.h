// The sockets that went away last.
#ifndef SOCKHOST_SERVICE_CORE_CLOSED_SOCKETS_H_
#define SOCKHOST_SERVICE_CORE_CLOSED_SOCKETS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "sockhost/socket_snapshot.h"

namespace sockhost {

// A ring of snapshots, made once: keeping a socket allocates nothing. Each has a
// number, counted up from 0, which tells a reader that comes back where it was.
//
// Thread rule: none of its own; guarded by the socket table's mutex.
class ClosedSockets {
 public:
  // Keeps the last `limit` from now on and forgets what there is. 0: keeps none.
  void SetLimit(size_t limit) {
    ring_.clear();
    ring_.resize(limit);
    for (auto& place : ring_) place = std::make_unique<SocketSnapshot>();
    end_ = 0;
  }
  size_t limit() const { return ring_.size(); }

  // Takes `socket` in place of the oldest. limit() is not 0.
  void Add(SocketSnapshot&& socket) { *ring_[end_++ % ring_.size()] = std::move(socket); }
  // The same without a copy: `socket` is the oldest then, to be filled anew.
  void Exchange(std::unique_ptr<SocketSnapshot>& socket) {
    ring_[end_++ % ring_.size()].swap(socket);
  }

  // Loads what Exchange gave, to be filled next, into the cache.
  static void Prefetch(const SocketSnapshot& socket) {
    const auto* bytes = reinterpret_cast<const char*>(&socket);
    for (size_t i = 0; i < sizeof(SocketSnapshot); i += 64) __builtin_prefetch(bytes + i, 1);
  }

  // The numbers of those that are kept: [begin, end).
  uint64_t begin() const { return end_ - size(); }
  uint64_t end() const { return end_; }
  const SocketSnapshot& operator[](uint64_t number) const { return *ring_[number % ring_.size()]; }

 private:
  size_t size() const { return end_ < ring_.size() ? static_cast<size_t>(end_) : ring_.size(); }

  std::vector<std::unique_ptr<SocketSnapshot>> ring_;
  uint64_t end_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_CLOSED_SOCKETS_H_
