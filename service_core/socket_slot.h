// A place in the socket table.
#ifndef SOCKHOST_SERVICE_CORE_SOCKET_SLOT_H_
#define SOCKHOST_SERVICE_CORE_SOCKET_SLOT_H_

#include <atomic>
#include <cstdint>

#include "epoll_set.h"
#include "service_registry.h"
#include "sockhost/counters.h"
#include "sockhost/socket_address.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

class Listener;

// How a socket is polled at present.
enum class Polling : uint8_t {
  kLevel,     // as its service asked
  kEdge,      // for changes only: it reports POLLHUP for ever, e.g. not yet listening
  kArrivals,  // for what arrives: its service reads all that is there in each call
  kOpening,   // not yet: StartPolling follows its handler's first call
  kMasked,    // not at all: the spin guard's pause
  kPaused,    // not at all: its listener is paused, until SetPaused ends it
};

// When a socket was opened, and since when ConnectionTimeouts has seen nothing happen
// on it. Monotonic, ms; wraps after 49 days.
struct SocketAge {
  uint32_t opened_ms;
  uint32_t active_ms;
};

// True for an fd that code of a program works with, and can close without a word.
inline bool IsExposed(Role role, const Service& service) {
  if (role == Role::kRegistered) return true;
  return role != Role::kListening && service.kind == ServiceKind::kModule;
}

// A place in the table. Slots never move and are never freed; the id tells
// which socket stands in one.
//
//            Add                 Remove                    Reap
//   free ----------> polled -----------------> retired ----------> free
//                    |    ^                     (id = 0; the fd is closed
//       spin guard   v    |  pause is over       by the service thread if
//                    masked                      sockhost owns it)
//
// The service thread reads a slot without a lock: the fields of the second
// group are constant while the id is, and a retired slot is only filled again
// after the service thread itself has reaped it.
//
// Small fields stand together, whatever their group.
struct SocketSlot {
  // What only registered fds need; guarded by the table's mutex.
  struct Registered {
    // The transaction that has touched it.
    uint32_t stamp;
    // Its place in the array of its service; -1: none.
    int pev_index;
  };

  // Published last by Add, cleared first by Remove.
  std::atomic<SocketId> id{0};

  // Constant while id is. The order within each group leaves no gaps.
  Service* service = nullptr;
  Listener* listener = nullptr;
  int64_t create_time_nanos = 0;
  // Of the peer, or of a listening or datagram socket itself; empty for registered fds.
  SocketAddress address;
  uint32_t index = 0;
  int fd = -1;

  union {
    // Constant while id is. Of an exposed fd: tells whether the number was reused.
    uint64_t inode = 0;
    // Of a retired slot: what the id was. Guarded by the table's mutex.
    SocketId retired_id;
  };

  // Written under the table's mutex, read by the service thread without it.
  std::atomic<void*> user_data{nullptr};
  // Turn in which the last socket of this slot was removed.
  std::atomic<uint32_t> removed_turn{0};
  std::atomic<uint16_t> events{0};
  std::atomic<Polling> polling{Polling::kLevel};

  // Guarded by the table's mutex. `close_reason` stays until the slot is filled again.
  CloseReason close_reason = CloseReason::kNone;
  // By the role; the age is the service thread's.
  union {
    Registered registered{0, -1};
    SocketAge age;
  };
  // Neighbours in the list of the listener's sockets, of what is to be reaped or of what is
  // free, and of the sockets whose ids share their low bits: slot + 1, 0 at the ends.
  uint32_t next = 0;
  uint32_t previous = 0;
  uint32_t next_by_id = 0;
  bool closes_fd = false;

  // Constant while id is.
  Role role = Role::kRegistered;
  Protocol protocol = Protocol::kNone;

  // Of the service thread: whether a receive call has seen the end, or an error, and
  // whether the handler was called since it could; whether the last receive call took all
  // that was there, and for how many calls of the handler in a row.
  bool end_of_stream : 1 = false;
  bool failed : 1 = false;
  bool end_offered : 1 = false;
  bool is_drained : 1 = false;
  // Of the service thread: what the spin guard remembers.
  uint8_t pauses : 4 = 0;
  uint8_t drained_calls = 0;
  uint8_t idle_calls = 0;
  uint16_t last_turn = 0;
  uint16_t counted_failures = 0;
  // Of the service thread: low bits of what ConnectionTimeouts counted last. That they are the
  // same by chance in all its rounds is no case.
  uint16_t activity = 0;
  uint32_t counted_messages = 0;
  uint32_t queue_mark = 0;

  CounterBlock counters;

  bool has_stamp(uint32_t stamp) const {
    return role == Role::kRegistered && registered.stamp == stamp;
  }
  bool is_exposed() const { return IsExposed(role, *service); }
  bool has_own_address() const { return is_of_listener_itself(); }
  // Without it the listener serves nobody.
  bool is_of_listener_itself() const { return role == Role::kListening || role == Role::kDatagram; }
  bool has_peer_address() const { return role == Role::kConnection || role == Role::kUpstream; }
  // -1: none.
  int pev_index() const { return role == Role::kRegistered ? registered.pev_index : -1; }

  RegistrationKey key() const {
    return {index, static_cast<uint32_t>(id.load(std::memory_order_relaxed))};
  }
};

// What an idle connection costs; some 14 bytes more to find it by fd and by id.
static_assert(sizeof(SocketSlot) <= 240);

// What to put into the table.
struct SocketSpec {
  int fd = -1;
  uint32_t events = 0;
  Polling polling = Polling::kLevel;
  Role role = Role::kRegistered;
  Protocol protocol = Protocol::kNone;
  Service* service = nullptr;
  Listener* listener = nullptr;
  // As in SocketSlot.
  SocketAddress address;
  void* user_data = nullptr;
  // When it was opened: on the wall clock, ns since 1970, and on the monotonic one, ns. 0: now.
  int64_t wall_time = 0;
  int64_t monotonic_time = 0;
  // Of a connection: the socket that it came through, in the turn in which it was looked up.
  const SocketSlot* accepted_by = nullptr;
};

// What happens to the fd of a removed socket.
enum class Fate {
  kLeaveOpen,  // its program closes it
  kClose,      // the service thread closes it
};

// How a stream that a service works with is polled at first. Those of the host itself read what
// there is; what a module does has to be seen first.
inline Polling FirstPolling(const Service& service, Protocol protocol) {
  const bool is_known = service.keeps_connections || service.kind == ServiceKind::kBuiltIn;
  return is_known && protocol == Protocol::kTcp ? Polling::kArrivals : Polling::kLevel;
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SOCKET_SLOT_H_
