// One listener: an open address bound to a service.
#ifndef SOCKHOST_SERVICE_CORE_LISTENER_H_
#define SOCKHOST_SERVICE_CORE_LISTENER_H_

#include <atomic>
#include <memory>
#include <string>

#include "log.h"
#include "open_socket.h"
#include "service_registry.h"
#include "socket_table.h"
#include "sockhost/listener_config.h"

namespace sockhost {

class ServiceLoop;

//                    out of fds or memory
//             kActive <----------> kPaused
//                |     100 ms later   |
//   Listeners::Delete                 |
//                v                    v
//             kDraining: its sockets are removed; gone when they are closed
//
// Life: Listeners owns it until its last socket has been reaped. Each table slot
// of the listener points to it meanwhile.
class Listener {
 public:
  Listener(ListenerConfig config, std::shared_ptr<Service> service, const OpenedSocket& socket);

  const ListenerConfig& config() const { return *config_; }
  Service& service() const { return *service_; }
  const std::shared_ptr<const std::string>& name() const { return name_; }
  const SocketAddress& address() const { return address_; }
  ListenerSnapshot Snapshot() const;

  // The service thread: takes waiting connections and puts them into the table.
  void Accept(SocketSlot& slot, ServiceLoop& loop);

  // Any thread: tells the readers of events what happened to the listener.
  void Record(HostEventKind kind, const SocketTable& table) const;

  // Any thread.
  bool is_draining() const { return state_ == ListenerState::kDraining; }
  void BeginDraining() { state_ = ListenerState::kDraining; }

  // Written by the service thread: sum over the listener's sockets, closed ones
  // included.
  CounterBlock counters;

  // Guarded by the socket table's mutex: no socket is added any more; the first of its
  // sockets (slot + 1), and how many of them are connections.
  bool withdrawn = false;
  uint32_t first_slot = 0;
  size_t connections = 0;

 private:
  // False if accepting must end for this turn.
  bool AcceptOne(SocketSlot& slot, ServiceLoop& loop);
  bool HandleAcceptError(int error_number, SocketSlot& slot, ServiceLoop& loop);
  void Pause(std::string reason, SocketSlot& slot, ServiceLoop& loop);

  // Constant after construction.
  const std::shared_ptr<const ListenerConfig> config_;
  const std::shared_ptr<const std::string> name_;
  const std::shared_ptr<Service> service_;
  const SocketAddress address_;
  const int effective_backlog_;
  const std::shared_ptr<const OwnDatagramPort> own_port_;

  std::atomic<ListenerState> state_{ListenerState::kActive};
  mutable Mutex reason_mutex_;
  std::string state_reason_ ABSL_GUARDED_BY(reason_mutex_);

  // Of the service thread: connections taken per wake-up. It grows while the
  // queue is longer, so that a quiet listener costs no accept(2) in vain and a
  // busy one few wake-ups.
  int accept_budget_ = 1;
  LimitedLog accept_log_;
};

// The counters that an event of `slot` belongs to: of the socket, its service and
// its listener. `visit` takes a CounterBlock&.
template <typename Visit>
void ForEachBlock(SocketSlot& slot, Visit visit) {
  visit(slot.counters);
  visit(slot.service->counters);
  if (slot.listener) visit(slot.listener->counters);
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_LISTENER_H_
