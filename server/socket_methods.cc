// AdminService: the methods of sockets.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "admin_reply.h"
#include "admin_service.h"
#include "list_query.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "socket_details.h"
#include "socket_sample.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

absl::Status CheckView(v1::SocketView view) {
  if (v1::SocketView_IsValid(view)) return absl::OkStatus();
  return UnknownNumber("view", view, "SOCKET_VIEW_BASIC or SOCKET_VIEW_FULL");
}

void EncodeInView(const ServiceHost& host, const SocketSnapshot& socket, v1::SocketView view,
                  v1::Socket& out) {
  Encode(socket, out);
  if (view == v1::SOCKET_VIEW_FULL) EncodeDetails(host, socket, out);
}

// Adds what the socket is, where it is not one that a call may close.
absl::Status WithRole(const absl::Status& status, const ServiceHost& host, SocketId id) {
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail || detail->reason != Reason::kSTATE_INVALID) return status;
  const std::optional<SocketSnapshot> found = host.FindSocket(id);
  if (!found) return status;
  v1::Socket socket;
  Encode(*found, socket);
  detail->metadata["role"] = v1::Socket::Role_Name(socket.role());
  return Error(detail->reason, status.message(), std::move(detail->metadata), detail->field);
}

// Open sockets and closed ones in the order of their ids. One that was closed
// between the two looks is in both; what is said of it last is true.
std::vector<SocketSnapshot> SampleWithClosed(const ServiceHost& host) {
  std::vector<SocketSnapshot> all = TakeSample(host)->sockets;
  const size_t open = all.size();
  host.ForEachClosedSocket([&all](SocketSnapshot&& closed) { all.push_back(std::move(closed)); });
  const auto by_id = [](const SocketSnapshot& a, const SocketSnapshot& b) { return a.id < b.id; };
  // Closed before open ones of the same id, which are dropped then.
  std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(open), all.end());
  std::stable_sort(all.begin(), all.end(), by_id);
  const auto same = [](const SocketSnapshot& a, const SocketSnapshot& b) { return a.id == b.id; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  return all;
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetSocket(grpc::CallbackServerContext* context,
                                                  const v1::GetSocketRequest* request,
                                                  v1::Socket* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetSocketRequest& request, v1::Socket& response) const {
  const absl::StatusOr<SocketId> id = ParseSocketName(request.name());
  if (!id.ok()) return id.status();
  if (absl::Status status = CheckView(request.view()); !status.ok()) return status;
  std::optional<SocketSnapshot> found = host_.FindSocket(*id);
  if (!found) found = host_.FindClosedSocket(*id);
  if (!found) return NotFound(Reason::kSOCKET_NOT_FOUND, "socket", request.name());
  EncodeInView(host_, *found, request.view(), response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListSockets(grpc::CallbackServerContext* context,
                                                    const v1::ListSocketsRequest* request,
                                                    v1::ListSocketsResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListSocketsRequest& request,
                                v1::ListSocketsResponse& response) const {
  if (absl::Status status = CheckView(request.view()); !status.ok()) return status;
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", request,
                                                      request.show_closed() ? "closed" : "open");
  if (!query.ok()) return query.status();
  const auto append = [&](const SocketSnapshot& socket) {
    v1::Socket& item = *response.add_sockets();
    EncodeInView(host_, socket, request.view(), item);
    return item.ByteSizeLong();
  };
  std::vector<SocketSnapshot> sockets;
  if (request.show_closed()) {
    sockets = SampleWithClosed(host_);
  } else if (const std::optional<size_t> most = query->most_items()) {
    sockets = host_.SocketsAfter(query->after_number(), *most);
  } else {
    sockets = TakeSample(host_, query->after_number())->sockets;
  }
  response.set_next_page_token(query->AppendPage(sockets, append));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::CloseSocket(grpc::CallbackServerContext* context,
                                                    const v1::CloseSocketRequest* request,
                                                    v1::Socket* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto reply = std::make_shared<OneReply>(reactor);
  const absl::StatusOr<SocketId> id = ParseSocketName(request->name());
  if (!id.ok()) {
    reply->Finish(id.status());
    return reactor;
  }
  // Both tasks run on one thread: the one that comes second finds `reply` finished,
  // and `response` gone with it.
  const auto answer = [this, reply, id = *id, response] {
    if (reply->finished()) return;
    // Not there if more sockets than are kept were closed since.
    if (const auto closed = host_.FindClosedSocket(id)) Encode(*closed, *response);
    response->set_name(SocketName(id));
    response->set_state(v1::Socket::CLOSED);
    response->set_close_reason(v1::Socket::CLOSED_BY_ADMIN);
    reply->Finish(absl::OkStatus());
  };
  // Before: once it is closed, the call and its request may be gone.
  const AccessControl::Caller caller = changes_.CallerOf(*context);
  const std::string name = SocketName(*id);
  // Runs on the service thread, which must not do gRPC's work.
  const absl::Status status = host_.CloseSocket(*id, [this, answer] { tasks_.Run(answer); });
  if (!status.ok()) {
    reply->Finish(WithRole(status, host_, *id));
    return reactor;
  }
  changes_.NoteChange(caller, "CloseSocket", name);
  tasks_.RunSomeTimeAfter(kCloseTimeout, [this, reply, name] {
    if (reply->finished()) return;
    const std::string service = host_.Stalled().service;
    reply->Finish(
        Error(Reason::kSERVICE_THREAD_STALLED,
              absl::StrCat("socket \"", name,
                           "\" is being closed: the service thread has not come back; "
                           "it is closed when the handler returns"),
              {{"socket", name}, {"service", service.empty() ? "" : ServiceName(service)}}));
  });
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* AdminService::WatchSockets(
    grpc::CallbackServerContext* context, const v1::WatchSocketsRequest* request) {
  return watches_.Start(*request, {context->peer(), peers_.Of(*context)});
}

}  // namespace sockhost
