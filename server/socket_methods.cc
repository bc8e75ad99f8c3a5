// AdminService: the methods of sockets.
#include <optional>

#include "admin_reply.h"
#include "admin_service.h"
#include "list_query.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "socket_sample.h"
#include "sockhost/error.h"

namespace sockhost {

grpc::ServerUnaryReactor* AdminService::GetSocket(grpc::CallbackServerContext* context,
                                                  const v1::GetSocketRequest* request,
                                                  v1::Socket* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetSocketRequest& request, v1::Socket& response) const {
  const absl::StatusOr<SocketId> id = ParseSocketName(request.name());
  if (!id.ok()) return id.status();
  const std::optional<SocketSnapshot> found = host_.FindSocket(*id);
  if (!found) return NotFound(Reason::kSOCKET_NOT_FOUND, "socket", request.name());
  Encode(*found, response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListSockets(grpc::CallbackServerContext* context,
                                                    const v1::ListSocketsRequest* request,
                                                    v1::ListSocketsResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListSocketsRequest& request,
                                v1::ListSocketsResponse& response) const {
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", request);
  if (!query.ok()) return query.status();
  response.set_next_page_token(
      query->AppendPage(TakeSample(host_)->sockets, [&](const SocketSnapshot& socket) {
        v1::Socket& item = *response.add_sockets();
        Encode(socket, item);
        return item.ByteSizeLong();
      }));
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::WatchSocketsResponse>* AdminService::WatchSockets(
    grpc::CallbackServerContext*, const v1::WatchSocketsRequest* request) {
  return watches_.Start(*request);
}

}  // namespace sockhost
