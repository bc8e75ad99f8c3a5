// Where a listener forwards to, and what its connections share.
#ifndef SOCKHOST_SERVER_FORWARD_ROUTE_H_
#define SOCKHOST_SERVER_FORWARD_ROUTE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "connect_queue.h"
#include "sockhost/service_parameters.h"
#include "upstream_set.h"

namespace sockhost {

// The meaning and range of each field stands in proto/sockhost/v1/forward.proto.
struct ForwardOptions {
  absl::Duration connect_timeout = absl::Seconds(5);
  bool proxy_protocol = false;
  absl::Duration flow_idle_timeout = absl::Seconds(60);
  size_t max_flows = 1024;
  size_t max_flows_per_source = 64;
};

// Sockets hold on to it: after an update old connections go on with the old one.
// Thread rule: the service thread; `options` and the list of upstreams are constant.
struct ForwardRoute {
  // There was no socket for the upstream of a client, because of this errno; ENOSPC: the limit of
  // sockets. Told on the service thread.
  using ShortageReport = std::function<void(int error_number)>;

  ForwardRoute(std::shared_ptr<UpstreamSet> set, const ForwardOptions& forward_options,
               ShortageReport shortage_report = nullptr)
      : options(forward_options),
        upstreams(std::move(set)),
        report_shortage(std::move(shortage_report)),
        connecting(std::make_shared<ConnectQueue>(options.connect_timeout)) {}

  const ForwardOptions options;
  const std::shared_ptr<UpstreamSet> upstreams;
  // May be null.
  const ShortageReport report_shortage;
  const std::shared_ptr<ConnectQueue> connecting;
};

// What a listener of the forward service carries.
struct ForwardParameters : ServiceParameters {
  std::shared_ptr<ForwardRoute> route;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_ROUTE_H_
