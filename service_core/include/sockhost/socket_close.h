// Closing a socket for a reason that is told.
#ifndef SOCKHOST_SOCKET_CLOSE_H_
#define SOCKHOST_SOCKET_CLOSE_H_

#include "sockhost/socket_snapshot.h"

namespace sockhost {

// As sockhost_socket_close(), which is for kClosedByService, with another reason to be shown.
int CloseSocket(int fd, CloseReason reason);

}  // namespace sockhost

#endif  // SOCKHOST_SOCKET_CLOSE_H_
