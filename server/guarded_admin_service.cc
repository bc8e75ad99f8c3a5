#include "guarded_admin_service.h"

#include "admin_reply.h"
#include "grpc_status.h"

namespace sockhost {
namespace {

// A stream that ends before it has begun.
template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

GuardedAdminService::GuardedAdminService(AdminService& service, const AccessControl& access,
                                         AuditLog* audit, ChangeLog& changes)
    : service_(service), access_(access), audit_(audit), changes_(changes) {
#define SOCKHOST_X(method, request, response, role, changes) \
  SetMessageAllocatorFor_##method(&messages_of_##method##_);
  SOCKHOST_UNARY_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
}

absl::Status GuardedAdminService::Check(const grpc::CallbackServerContext& context,
                                        absl::string_view method, AdminRole required,
                                        bool changes) const {
  const AccessControl::Caller caller = access_.CallerOf(context);
  absl::Status status = access_.Check(caller, method, required);
  if (!status.ok()) changes_.NoteDenial(caller, method);
  if (!status.ok() || !changes || audit_ == nullptr) return status;
  return audit_->Ready();
}

#define SOCKHOST_X(method, request, response, role, changes)                                      \
  grpc::ServerUnaryReactor* GuardedAdminService::method(grpc::CallbackServerContext* context,     \
                                                        const request* input, response* output) { \
    const absl::Status status =                                                                   \
        Check(*context, "/sockhost.v1.AdminService/" #method, AdminRole::role, changes);          \
    return status.ok() ? service_.method(context, input, output) : Reply(context, status);        \
  }
SOCKHOST_UNARY_METHODS(SOCKHOST_X)
#undef SOCKHOST_X

#define SOCKHOST_X(method, request, response, role)                                    \
  grpc::ServerWriteReactor<response>* GuardedAdminService::method(                     \
      grpc::CallbackServerContext* context, const request* input) {                    \
    const absl::Status status =                                                        \
        Check(*context, "/sockhost.v1.AdminService/" #method, AdminRole::role, false); \
    if (!status.ok()) return new RefusedStream<response>(status);                      \
    return service_.method(context, input);                                            \
  }
SOCKHOST_STREAM_METHODS(SOCKHOST_X)
#undef SOCKHOST_X

}  // namespace sockhost
