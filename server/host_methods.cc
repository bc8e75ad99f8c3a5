// AdminService: the method of the host.
#include <unistd.h>

#include "admin_reply.h"
#include "admin_service.h"
#include "fd_use.h"
#include "monotonic_time.h"
#include "proto_encoding.h"
#include "resource_name.h"

namespace sockhost {

grpc::ServerUnaryReactor* AdminService::GetHost(grpc::CallbackServerContext* context,
                                                const v1::GetHostRequest*, v1::Host* response) {
  const auto use = [](v1::LimitUse& out, int64_t limit, int64_t used) {
    out.set_limit(limit);
    out.set_used(used);
  };
  response->set_name("host");
  response->set_version(identity_.version);
  response->set_instance_id(identity_.instance_id);
  response->set_pid(getpid());
  EncodeTime(identity_.start_time_nanos, *response->mutable_start_time());
  const int64_t uptime = absl::ToInt64Nanoseconds(MonotonicTime() - identity_.start);
  response->mutable_uptime()->set_seconds(uptime / 1'000'000'000);
  response->mutable_uptime()->set_nanos(static_cast<int32_t>(uptime % 1'000'000'000));
  use(*response->mutable_file_descriptors(), FdLimit(), UsedFds());
  use(*response->mutable_sockets(), static_cast<int64_t>(host_.max_sockets()),
      static_cast<int64_t>(host_.sockets()));
  use(*response->mutable_listeners(), static_cast<int64_t>(host_.max_listeners()),
      static_cast<int64_t>(host_.listeners()));
  use(*response->mutable_closed_sockets(), static_cast<int64_t>(host_.max_closed_sockets()),
      static_cast<int64_t>(host_.closed_sockets()));
  use(*response->mutable_watches(), static_cast<int64_t>(watches_.limit()),
      static_cast<int64_t>(watches_.size()));
  use(*response->mutable_admin_connections(), static_cast<int64_t>(identity_.max_admin_connections),
      static_cast<int64_t>(peers_.connections()));
  response->mutable_admin_addresses()->Add(identity_.admin_addresses.begin(),
                                           identity_.admin_addresses.end());
  Encode(host_.Statistics(), *response->mutable_loop());
  const std::string stalled = host_.Stalled().service;
  if (!stalled.empty()) response->set_stalled_service(ServiceName(stalled));
  return Reply(context, absl::OkStatus());
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* AdminService::WatchEvents(
    grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) {
  return watches_.StartEvents(*request, {context->peer(), peers_.Of(*context)});
}

}  // namespace sockhost
