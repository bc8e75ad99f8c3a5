// AdminService: the methods of listeners.
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "admin_reply.h"
#include "admin_service.h"
#include "fd_use.h"
#include "forward_loop.h"
#include "list_query.h"
#include "listener_record.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "service_parameters.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// How long DeleteListener waits for the service thread. A healthy one needs
// microseconds; at 200 ms it counts as stalled.
constexpr absl::Duration kDeleteTimeout = absl::Seconds(1);

absl::StatusOr<ListenerConfig> Decode(const v1::CreateListenerRequest& request) {
  const v1::Listener& listener = request.listener();
  if (listener.service().empty()) {
    return Error(Reason::kSERVICE_INVALID, "service is empty; name one of `sockctl service list`",
                 {}, "listener.service");
  }
  if (absl::Status status = ValidateListenerTexts(listener); !status.ok()) return status;
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(listener.address());
  if (!address.ok()) return WithField(address.status(), "listener.address");
  absl::StatusOr<std::shared_ptr<const ServiceParameters>> parameters = DecodeParameters(listener);
  if (!parameters.ok()) return parameters.status();
  ListenerConfig config;
  config.name = request.listener_id();
  config.service = std::string(ServiceId(listener.service()));
  config.address = *address;
  config.backlog = listener.backlog();
  config.max_connections = listener.max_connections();
  config.ipv6_only = listener.ipv6_only();
  config.parameters = *std::move(parameters);
  config.attachment = MakeListenerRecord(request.listener_id(), listener);
  return config;
}

// The field of the request that an error of OpenSocket speaks of.
absl::Status WithAddressField(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = DetailOf(status);
  const bool is_address = detail && (detail->reason == Reason::kADDRESS_IN_USE ||
                                     detail->reason == Reason::kBIND_NOT_PERMITTED ||
                                     detail->reason == Reason::kADDRESS_NOT_AVAILABLE);
  return is_address ? WithField(status, "listener.address") : status;
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::CreateListener(grpc::CallbackServerContext* context,
                                                       const v1::CreateListenerRequest* request,
                                                       v1::Listener* response) {
  return Reply(context, Create(*request, *response));
}

absl::Status AdminService::Create(const v1::CreateListenerRequest& request,
                                  v1::Listener& response) {
  const absl::StatusOr<ListenerConfig> config = Decode(request);
  if (!config.ok()) return config.status();
  if (absl::Status status = RefuseForwardLoop(*config, host_); !status.ok()) return status;
  const absl::StatusOr<ListenerSnapshot> created = host_.CreateListener(*config);
  if (!created.ok()) return ExplainLimit(WithAddressField(created.status()));
  Encode(*created, response);
  return absl::OkStatus();
}

// Adds what the core does not know: how many fds are used, and what bounds the
// sockets of this daemon.
absl::Status AdminService::ExplainLimit(const absl::Status& status) const {
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail) return status;
  std::string message(status.message());
  if (detail->reason == Reason::kFD_LIMIT) {
    detail->metadata["limit"] = absl::StrCat(FdLimit());
    detail->metadata["used"] = absl::StrCat(UsedFds());
  } else if (detail->reason == Reason::kSOCKET_LIMIT && identity_.max_sockets_is_set) {
    message = absl::StrCat("cannot open the listener: all ", detail->metadata["limit"],
                           " sockets are used; close some, or raise --max-sockets");
    detail->metadata["setting"] = "--max-sockets";
  }
  return Error(detail->reason, message, std::move(detail->metadata), detail->field);
}

grpc::ServerUnaryReactor* AdminService::GetListener(grpc::CallbackServerContext* context,
                                                    const v1::GetListenerRequest* request,
                                                    v1::Listener* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetListenerRequest& request,
                               v1::Listener& response) const {
  const absl::StatusOr<std::string> id = ParseName("listeners", request.name());
  if (!id.ok()) return id.status();
  const std::optional<ListenerSnapshot> found = host_.FindListener(*id);
  if (!found) return NotFound(Reason::kLISTENER_NOT_FOUND, "listener", request.name());
  Encode(*found, response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListListeners(grpc::CallbackServerContext* context,
                                                      const v1::ListListenersRequest* request,
                                                      v1::ListListenersResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListListenersRequest& request,
                                v1::ListListenersResponse& response) const {
  const auto query = ListQuery<ListenerSnapshot>::Parse("listeners", request);
  if (!query.ok()) return query.status();
  response.set_next_page_token(
      query->AppendPage(host_.ListListeners(), [&](const ListenerSnapshot& listener) {
        v1::Listener& item = *response.add_listeners();
        Encode(listener, item);
        return item.ByteSizeLong();
      }));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::DeleteListener(grpc::CallbackServerContext* context,
                                                       const v1::DeleteListenerRequest* request,
                                                       google::protobuf::Empty*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto reply = std::make_shared<OneReply>(reactor);
  const absl::Status status =
      // Runs on the service thread, which must not do gRPC's work.
      Delete(*request, [this, reply] { tasks_.Run([reply] { reply->Finish(absl::OkStatus()); }); });
  if (!status.ok()) {
    const bool is_fine = absl::IsNotFound(status) && request->allow_missing();
    reply->Finish(is_fine ? absl::OkStatus() : status);
    return reactor;
  }
  tasks_.RunAfter(kDeleteTimeout, [this, reply, name = request->name()] {
    const std::string service = host_.StalledService();
    reply->Finish(Error(
        Reason::kSERVICE_THREAD_STALLED,
        absl::StrCat("listener \"", name, "\" is draining: the service thread has not come back",
                     service.empty() ? "" : " from service ", service,
                     "; it goes when the handler returns"),
        {{"listener", name}, {"service", service}}));
  });
  return reactor;
}

absl::Status AdminService::Delete(const v1::DeleteListenerRequest& request,
                                  absl::AnyInvocable<void()> done) {
  const absl::StatusOr<std::string> id = ParseName("listeners", request.name());
  if (!id.ok()) return id.status();
  const std::optional<ListenerSnapshot> found = host_.FindListener(*id);
  if (!found) return NotFound(Reason::kLISTENER_NOT_FOUND, "listener", request.name());
  const auto& record = static_cast<const ListenerRecord&>(*found->config->attachment);
  if (!request.etag().empty() && request.etag() != record.etag) {
    return Error(Reason::kETAG_MISMATCH,
                 absl::StrCat("listener \"", request.name(), "\" has etag ", record.etag, ", not ",
                              Shown(request.etag()), "; read it again"),
                 {{"listener", request.name()}, {"etag", record.etag}}, "etag");
  }
  return host_.DeleteListener(*found, request.force(), std::move(done));
}

}  // namespace sockhost
