// What can be said about one socket at one moment.
#ifndef SOCKHOST_SOCKET_SNAPSHOT_H_
#define SOCKHOST_SOCKET_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "sockhost/counters.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// Counted up from 1 in each process, never reused. 0 is no socket.
using SocketId = int64_t;

enum class Role : uint8_t { kListening, kConnection, kDatagram, kRegistered, kUpstream };

// Why a socket is no longer in the table.
enum class CloseReason : uint8_t {
  kNone,             // it is
  kUnregistered,     // its program took it out, or its service was withdrawn
  kClosedBehind,     // its program closed the fd without a word
  kPeerClosed,       // the peer ended the stream, and everything was read
  kFailed,           // reset, or an error of the network such as a time-out
  kClosedByService,  // its handler asked for it
  kHandlerFailed,    // its handler threw an exception
  kIdleTimeout,      // no traffic for the listener's idle_timeout
  kMaxLifetime,      // as old as the listener's max_lifetime
  kDrainTimeout,     // still there when its listener had drained long enough
  kListenerStopped,  // of the listener's own socket: drained, disabled or moved
  kListenerDeleted,  // together with its listener
  kClosedByAdmin,    // a call of the admin API
  kUpstreamFailed,   // its service found no upstream for it, or the one it had failed
};

// What the addresses of a socket are; kNone: it is no socket of a known protocol.
enum class AddressFamily : uint8_t { kNone, kIpv4, kIpv6, kUnix };

// A copy; plain data.
struct SocketSnapshot {
  SocketId id = 0;
  int fd = -1;
  // SO_COOKIE; 0 if the fd is no socket.
  uint64_t cookie = 0;
  Role role = Role::kRegistered;
  Protocol protocol = Protocol::kNone;
  std::shared_ptr<const std::string> service;
  // nullptr for registered sockets.
  std::shared_ptr<const std::string> listener;
  SocketAddress local;
  SocketAddress remote;
  // Wall clock, ns since 1970.
  int64_t create_time_nanos = 0;
  // POLL* bits that are asked for.
  uint32_t events = 0;
  bool masked = false;
  // Its listener is draining.
  bool draining = false;
  // kNone: it is open.
  CloseReason close_reason = CloseReason::kNone;
  // Wall clock, ns since 1970; 0: it is open.
  int64_t close_time_nanos = 0;
  CounterValues counters;

  AddressFamily family() const;
};

}  // namespace sockhost

#endif  // SOCKHOST_SOCKET_SNAPSHOT_H_
