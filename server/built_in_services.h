// The services that come with sockhostd.
#ifndef SOCKHOST_SERVER_BUILT_IN_SERVICES_H_
#define SOCKHOST_SERVER_BUILT_IN_SERVICES_H_

#include "absl/status/status.h"
#include "sockhost/service_host.h"

namespace sockhost {

// Each is a handler written against the public socket service API only.

// RFC 862: sends back what it receives.
extern const sockhost_service_definition kEchoService;
// RFC 863: takes what it receives and does nothing with it.
extern const sockhost_service_definition kDiscardService;
// RFC 867: the time of day as text.
extern const sockhost_service_definition kDaytimeService;
// RFC 868: the time in 32 bits.
extern const sockhost_service_definition kTimeService;
// RFC 864: characters without end.
extern const sockhost_service_definition kChargenService;
// A fixed text.
extern const sockhost_service_definition kBannerService;

// Passes connections and datagrams on to other servers (ForwardParameters).
extern const sockhost_service_definition kForwardService;

// Makes all of them known to `host`. Before it starts.
absl::Status DefineBuiltInServices(ServiceHost& host);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_BUILT_IN_SERVICES_H_
