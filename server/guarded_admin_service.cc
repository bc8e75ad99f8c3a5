#include "guarded_admin_service.h"

#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>

#include "absl/strings/str_cat.h"
#include "admin_reply.h"
#include "arena_messages.h"
#include "grpc_status.h"
#include "method_rules.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using grpc::internal::RpcMethod;
using grpc::internal::RpcServiceMethod;

// A stream that ends before it has begun.
template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

template <class Request, class Response>
class UnaryHandler final
    : public grpc::internal::CallbackUnaryHandler<ReceivedRequest<Request>, Response> {
 public:
  template <class Call>
  explicit UnaryHandler(Call call)
      : grpc::internal::CallbackUnaryHandler<ReceivedRequest<Request>, Response>(call) {
    this->SetMessageAllocator(&messages_);
  }

 private:
  ArenaMessages<Request, Response> messages_;
};

absl::Status NoRequest(const google::protobuf::Descriptor& type) {
  return Error(Reason::kREQUEST_INVALID,
               absl::StrCat("what came is no ", type.full_name(),
                            ": it is cut off, of another type, or has a text that is not UTF-8; "
                            "send what this message is encoded to"),
               {{"type", type.full_name()}});
}

}  // namespace

GuardedAdminService::GuardedAdminService(AdminService& service, const AccessControl& access,
                                         AuditLog* audit, ChangeLog& changes)
    : service_(service), access_(access), audit_(audit), changes_(changes) {
#define SOCKHOST_X(method, request, response, role, changes)                               \
  Add<request, response>({"/sockhost.v1.AdminService/" #method, AdminRole::role, changes}, \
                         &AdminService::method);
  SOCKHOST_UNARY_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
#define SOCKHOST_X(method, request, response, role)                                      \
  Add<request, response>({"/sockhost.v1.AdminService/" #method, AdminRole::role, false}, \
                         &AdminService::method);
  SOCKHOST_STREAM_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
}

absl::Status GuardedAdminService::Check(const grpc::CallbackServerContext& context,
                                        const Method& method, const ReceivedMessage& received,
                                        const google::protobuf::Descriptor& type) const {
  const AccessControl::Caller caller = access_.CallerOf(context);
  if (absl::Status status = access_.Check(caller, method.name, method.required); !status.ok()) {
    changes_.NoteDenial(caller, method.name);
    return status;
  }
  if (method.changes && audit_ != nullptr) {
    if (absl::Status status = audit_->Ready(); !status.ok()) return status;
  }
  return received.any() ? absl::OkStatus() : NoRequest(type);
}

template <class Request, class Response>
void GuardedAdminService::Add(const Method& method, Unary<Request, Response> call) {
  AddMethod(new RpcServiceMethod(method.name, RpcMethod::NORMAL_RPC, nullptr));
  MarkMethodCallback(
      methods_++,
      new UnaryHandler<Request, Response>(
          [this, method, call](grpc::CallbackServerContext* context,
                               const ReceivedRequest<Request>* received, Response* response) {
            const absl::Status status = Check(*context, method, *received, *Request::descriptor());
            if (!status.ok()) return Reply(context, status);
            return (service_.*call)(context, received->request(), response);
          }));
}

template <class Request, class Response>
void GuardedAdminService::Add(const Method& method, Stream<Request, Response> call) {
  using Handler =
      grpc::internal::CallbackServerStreamingHandler<ReceivedRequest<Request>, Response>;
  using Reactor = grpc::ServerWriteReactor<Response>;
  AddMethod(new RpcServiceMethod(method.name, RpcMethod::SERVER_STREAMING, nullptr));
  MarkMethodCallback(
      methods_++,
      new Handler([this, method, call](grpc::CallbackServerContext* context,
                                       const ReceivedRequest<Request>* received) -> Reactor* {
        const absl::Status status = Check(*context, method, *received, *Request::descriptor());
        if (!status.ok()) return new RefusedStream<Response>(status);
        return (service_.*call)(context, received->request());
      }));
}

}  // namespace sockhost
