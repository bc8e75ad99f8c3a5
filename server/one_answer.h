// Services that say one short thing to everybody.
#ifndef SOCKHOST_SERVER_ONE_ANSWER_H_
#define SOCKHOST_SERVER_ONE_ANSWER_H_

#include <poll.h>

#include "absl/strings/string_view.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {

// Answers an event with `text`. A connection gets it and is closed; it must be
// polled for POLLOUT, and `text` must fit into any send buffer (a few hundred
// bytes). Each datagram that waits gets it, as far as the guard allows. Thread
// rule: the service thread, inside a handler.
void GiveOneAnswer(const net_socket_service_event& event, absl::string_view text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ONE_ANSWER_H_
