// Keeps the forward service from forwarding to this host itself.
#ifndef SOCKHOST_SERVER_FORWARD_LOOP_H_
#define SOCKHOST_SERVER_FORWARD_LOOP_H_

#include "absl/status/status.h"
#include "sockhost/listener_config.h"
#include "sockhost/service_host.h"

namespace sockhost {

// True if a listener with these parameters forwards.
bool Forwards(const ListenerConfig& config);

// Checks the upstreams of a listener that is to be made or updated. Error:
// FORWARD_LOOP if a literal address is one at which `host` listens, or would with
// this listener, or at which its admin API does, and if it moves to where another listener
// forwards to. See Reaches for what an address stands for; a path counts by the file to which it
// leads, and where there is none yet, by the folder. Any thread; two that forward must not be
// checked and made at the same time, each would miss the other. May wait for the disk.
absl::Status RefuseForwardLoop(const ListenerConfig& config, const ServiceHost& host);

// True if a connection or datagram to `address` would reach a listener of this host or its admin
// API now: names resolve, links change and listeners come after an upstream was checked. Cheap
// where nobody of this host listens at that port. The service thread.
bool LeadsToThisHost(const SocketAddress& address);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_LOOP_H_
