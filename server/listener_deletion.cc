// AdminService: DeleteListener.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "admin_reply.h"
#include "admin_service.h"
#include "grpc_status.h"
#include "monotonic_time.h"
#include "remembered_answer.h"
#include "resource_name.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// What the core would say.
absl::Status CheckDelete(const ListenerSnapshot& listener, bool force) {
  const int64_t connections = listener.counters[Counter::active_connections];
  if (connections == 0 || force) return absl::OkStatus();
  const std::string& name = listener.config->name;
  return Error(Reason::kLISTENER_BUSY,
               absl::StrCat("listener \"", name, "\" has live connections (", connections,
                            "); use force to close them"),
               {{"listener", ListenerName(name)}, {"connections", absl::StrCat(connections)}});
}

}  // namespace

// A deletion on its way: the method, the service thread and a timer meet here.
class AdminService::Deletion {
 public:
  Deletion(AdminService& service, std::string request_id, grpc::ServerUnaryReactor* reactor)
      : service_(service), request_id_(std::move(request_id)), reply_(reactor) {}

  Completion& closed() { return closed_; }
  OneReply& reply() { return reply_; }

  // The service thread has closed it.
  void FinishOnceClosed(const std::shared_ptr<Deletion>& self) {
    if (closed_.IsAwaited()) return;
    // The service thread must not do gRPC's work.
    service_.tasks_.Run([self] { self->Finish(absl::OkStatus()); });
  }

  // It has ended, perhaps after the answer: the request is not forgotten.
  void Finish(const absl::Status& status) {
    if (!request_id_.empty()) {
      service_.requests_.End(request_id_,
                             status.ok() ? std::optional<std::string>("") : std::nullopt,
                             MonotonicTime());
    }
    reply_.Finish(status);
  }

 private:
  AdminService& service_;
  // Empty: none.
  const std::string request_id_;
  OneReply reply_;
  Completion closed_;
};

grpc::ServerUnaryReactor* AdminService::DeleteListener(grpc::CallbackServerContext* context,
                                                       const v1::DeleteListenerRequest* request,
                                                       google::protobuf::Empty*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!request->request_id().empty()) {
    const auto before = AnswerBefore(requests_, "DeleteListener", *request);
    if (!before.ok() || before->has_value()) {
      reactor->Finish(ToGrpcStatus(before.status()));
      return reactor;
    }
  }
  const std::string id = request->validate_only() ? "" : request->request_id();
  Delete(*context, *request, std::make_shared<Deletion>(*this, id, reactor));
  return reactor;
}

void AdminService::Delete(const grpc::CallbackServerContext& context,
                          const v1::DeleteListenerRequest& request,
                          const std::shared_ptr<Deletion>& deletion) {
  const absl::StatusOr<ListenerSnapshot> found =
      FindListener(request.name(), request.etag(), "etag");
  absl::Status status = found.status();
  if (status.ok() && request.validate_only()) {
    return deletion->Finish(CheckDelete(*found, request.force()));
  }
  if (status.ok()) {
    status = host_.DeleteListener(*found, request.force(),
                                  [deletion] { deletion->FinishOnceClosed(deletion); });
    // Beside the service thread, which closes it. The call cannot be answered before ComesSoon.
    status = Noted(&context, "DeleteListener", request.name(), std::move(status));
  }
  if (absl::IsNotFound(status) && request.allow_missing()) {
    return deletion->Finish(absl::OkStatus());
  }
  if (!status.ok() || deletion->closed().ComesSoon()) return deletion->Finish(status);
  tasks_.RunSomeTimeAfter(kCloseTimeout, [this, deletion, name = request.name()] {
    if (!deletion->reply().finished()) deletion->reply().Finish(StalledError(name));
  });
}

absl::Status AdminService::StalledError(const std::string& name) const {
  const std::string service = host_.Stalled().service;
  return Error(
      Reason::kSERVICE_THREAD_STALLED,
      absl::StrCat("listener \"", name, "\" is draining: the service thread has not come back",
                   service.empty() ? "" : " from service ", service,
                   "; it goes when the handler returns"),
      {{"listener", name}, {"service", service.empty() ? "" : ServiceName(service)}});
}

}  // namespace sockhost
