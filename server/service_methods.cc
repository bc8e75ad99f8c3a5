// AdminService: the methods of services.
#include <algorithm>
#include <string>
#include <vector>

#include "admin_reply.h"
#include "admin_service.h"
#include "list_query.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "sockhost/error.h"

namespace sockhost {

grpc::ServerUnaryReactor* AdminService::GetService(grpc::CallbackServerContext* context,
                                                   const v1::GetServiceRequest* request,
                                                   v1::Service* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetServiceRequest& request, v1::Service& response) const {
  const absl::StatusOr<std::string> id = ParseName("services", request.name());
  if (!id.ok()) return id.status();
  for (const ServiceSnapshot& service : host_.ListServices()) {
    if (*service.name != *id) continue;
    Encode(service, response);
    return absl::OkStatus();
  }
  return NotFound(Reason::kSERVICE_NOT_FOUND, "service", request.name());
}

grpc::ServerUnaryReactor* AdminService::ListServices(grpc::CallbackServerContext* context,
                                                     const v1::ListServicesRequest* request,
                                                     v1::ListServicesResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListServicesRequest& request,
                                v1::ListServicesResponse& response) const {
  const auto query = ListQuery<ServiceSnapshot>::Parse("services", request);
  if (!query.ok()) return query.status();
  std::vector<ServiceSnapshot> services = host_.ListServices();
  std::sort(services.begin(), services.end(),
            [](const auto& a, const auto& b) { return *a.name < *b.name; });
  response.set_next_page_token(query->AppendPage(services, [&](const ServiceSnapshot& service) {
    v1::Service& item = *response.add_services();
    Encode(service, item);
    return item.ByteSizeLong();
  }));
  return absl::OkStatus();
}

}  // namespace sockhost
