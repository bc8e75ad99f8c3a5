// Closes connections that are idle, or old.
#ifndef SOCKHOST_SERVICE_CORE_CONNECTION_TIMEOUTS_H_
#define SOCKHOST_SERVICE_CORE_CONNECTION_TIMEOUTS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "sockhost/listener_config.h"

namespace sockhost {

class ServiceLoop;
struct SocketSlot;

// Looks at every connection of a listener with idle_timeout or max_lifetime now
// and then, instead of keeping a timer for each: an event costs nothing, and
// there is no work while no listener has such a limit. A round looks at a few
// hundred slots at a time, so that no handler waits. A connection is closed at
// most an eighth of its limit late, and 50 ms at least.
//
// Thread rule: the service thread.
class ConnectionTimeouts {
 public:
  // `loop` is not owned and outlives this.
  explicit ConnectionTimeouts(ServiceLoop& loop) : loop_(loop) {}

  // A connection of a listener with `config` is there: rounds begin, if need be.
  void Watch(const ListenerConfig& config);

 private:
  void StartRound(int64_t at);
  void LookAtSome(uint64_t round, uint32_t first);
  void LookAt(SocketSlot& slot, uint32_t now_ms);
  void EndRound();

  ServiceLoop& loop_;
  // Grows with each round that is planned: an older one ends.
  uint64_t round_ = 0;
  bool active_ = false;
  // Time between rounds, ns; and what the round in progress has seen so far.
  int64_t interval_ = 0;
  int64_t next_interval_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_CONNECTION_TIMEOUTS_H_
