// AdminService behind its access control.
#ifndef SOCKHOST_SERVER_GUARDED_ADMIN_SERVICE_H_
#define SOCKHOST_SERVER_GUARDED_ADMIN_SERVICE_H_

#include <grpcpp/server_context.h>

#include "access_control.h"
#include "admin_service.h"
#include "arena_messages.h"
#include "audit_log.h"
#include "change_log.h"
#include "method_rules.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost {

// The service that gRPC knows: each method first asks whether the caller may,
// before it looks at anything else, and whether the audit log can take what it is
// about to change. One place for all methods, made from the rows of
// method_rules.h; a method without a row stays UNIMPLEMENTED.
//
// Thread rule: gRPC's threads.
class GuardedAdminService final : public AdminServiceBase {
 public:
  // Not owned; they outlive the gRPC server. `audit` may be null.
  GuardedAdminService(AdminService& service, const AccessControl& access, AuditLog* audit,
                      ChangeLog& changes);

#define SOCKHOST_X(method, request, response, role, changes)                                   \
  grpc::ServerUnaryReactor* method(grpc::CallbackServerContext* context, const request* input, \
                                   response* output) override;
  SOCKHOST_UNARY_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
#define SOCKHOST_X(method, request, response, role)                                \
  grpc::ServerWriteReactor<response>* method(grpc::CallbackServerContext* context, \
                                             const request* input) override;
  SOCKHOST_STREAM_METHODS(SOCKHOST_X)
#undef SOCKHOST_X

 private:
  // Errors: ROLE_REQUIRED, AUDIT_UNAVAILABLE.
  absl::Status Check(const grpc::CallbackServerContext& context, absl::string_view method,
                     AdminRole required, bool changes) const;

  AdminService& service_;
  const AccessControl& access_;
  AuditLog* const audit_;
  ChangeLog& changes_;

#define SOCKHOST_X(method, request, response, role, changes) \
  ArenaMessages<request, response> messages_of_##method##_;
  SOCKHOST_UNARY_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_GUARDED_ADMIN_SERVICE_H_
