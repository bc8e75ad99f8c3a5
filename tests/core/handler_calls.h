// A handler that remembers how it was called.
#ifndef SOCKHOST_TESTS_CORE_HANDLER_CALLS_H_
#define SOCKHOST_TESTS_CORE_HANDLER_CALLS_H_

#include <functional>
#include <mutex>
#include <vector>

#include "sockhost/socket_service.h"

namespace sockhost {

// Sockets are registered with service handler `HandlerCalls::Handle` and
// user_data `&calls`.
class HandlerCalls {
 public:
  static void Handle(net_socket_service_event* event);

  // What the handler does, on the service thread. By default it reads until
  // there is nothing left. Set it while no handler can run.
  std::function<void(const net_socket_service_event&)> action;

  // Any thread. A call counts when its action has ended: what it was called for
  // is taken by then.
  size_t count() const;
  std::vector<net_socket_service_event> all() const;
  // The fds of all calls, in their order.
  std::vector<int> fds() const;
  net_socket_service_event last() const;

 private:
  mutable std::mutex mutex_;
  std::vector<net_socket_service_event> calls_;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_HANDLER_CALLS_H_
