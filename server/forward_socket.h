// What the user_data of each socket of the forward service points to.
#ifndef SOCKHOST_SERVER_FORWARD_SOCKET_H_
#define SOCKHOST_SERVER_FORWARD_SOCKET_H_

#include "sockhost/socket_snapshot.h"

namespace sockhost {

// One socket that a forwarder works with. Thread rule: the service thread.
class ForwardSocket {
 public:
  // It is ready for `events` (POLL* bits). May destroy the object.
  virtual void OnReady(short events) = 0;
  // The host has closed it, e.g. because its listener is deleted: the last call. May
  // destroy the object.
  virtual void OnGone() = 0;

 protected:
  ~ForwardSocket() = default;
};

// Closes `fd`, whose user_data is a ForwardSocket, for `reason`, without OnGone. False if
// another thread is just removing it: then OnGone follows, and until then the object must
// live.
bool CloseForwardSocket(int fd, CloseReason reason);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_SOCKET_H_
