// AdminService: the methods of sockets.
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "admin_reply.h"
#include "admin_service.h"
#include "page.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "socket_filter.h"
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
  const absl::StatusOr<Page> page = ParsePage("sockets", request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const absl::StatusOr<SocketFilter> filter = SocketFilter::Parse(request.filter());
  if (!filter.ok()) return filter.status();
  SocketId after = 0;
  if (!page->after.empty() && !absl::SimpleAtoi(page->after, &after)) {
    return Error(Reason::kPAGE_TOKEN_INVALID,
                 "page_token was not given by this call; begin again without a token", {},
                 "page_token");
  }
  SocketId last = 0;
  size_t bytes = 0;
  const std::shared_ptr<const SocketSample> sample = TakeSample(host_);
  for (const SocketSnapshot& socket : sample->sockets) {
    if (socket.id <= after || !filter->Matches(socket)) continue;
    if (static_cast<size_t>(response.sockets_size()) == page->size || bytes >= kMaxPageBytes) {
      response.set_next_page_token(NextPageToken("sockets", absl::StrCat(last)));
      break;
    }
    v1::Socket& item = *response.add_sockets();
    Encode(socket, item);
    bytes += item.ByteSizeLong();
    last = socket.id;
  }
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::WatchSocketsResponse>* AdminService::WatchSockets(
    grpc::CallbackServerContext*, const v1::WatchSocketsRequest* request) {
  return watches_.Start(*request);
}

}  // namespace sockhost
