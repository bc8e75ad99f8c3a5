// Connections to upstreams that are not there yet, with one timer for all.
#ifndef SOCKHOST_SERVER_CONNECT_QUEUE_H_
#define SOCKHOST_SERVER_CONNECT_QUEUE_H_

#include <list>
#include <memory>

#include "absl/time/time.h"

namespace sockhost {

// Somebody who waits for a connection.
class ConnectWaiter {
 public:
  // The time is over; the waiter has left the queue. May destroy the waiter.
  virtual void OnConnectTimeout() = 0;
  // It waits for a host name and may look whether there is an answer. May leave the
  // queue, or be destroyed; else it goes on waiting.
  virtual void OnMaybeResolved() = 0;

 protected:
  ~ConnectWaiter() = default;
};

// All wait equally long, so the first to come is the first whose time is over.
// Thread rule: the service thread.
class ConnectQueue : public std::enable_shared_from_this<ConnectQueue> {
 private:
  struct Entry {
    ConnectWaiter* waiter;
    absl::Duration deadline;
    bool for_name;
  };

 public:
  using Place = std::list<Entry>::iterator;

  explicit ConnectQueue(absl::Duration timeout) : timeout_(timeout) {}

  // `for_name`: OnMaybeResolved is called now and then until the time is over.
  Place Enter(ConnectWaiter& waiter, bool for_name);
  void Leave(Place place) { entries_.erase(place); }

 private:
  void SetTimer();
  void SetLookTimer();
  void Expire();
  void LookAgain();

  const absl::Duration timeout_;
  std::list<Entry> entries_;
  bool has_timer_ = false;
  bool is_looking_ = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONNECT_QUEUE_H_
