// AdminService behind its access control.
#ifndef SOCKHOST_SERVER_GUARDED_ADMIN_SERVICE_H_
#define SOCKHOST_SERVER_GUARDED_ADMIN_SERVICE_H_

#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/server_context.h>

#include "absl/status/status.h"
#include "access_control.h"
#include "admin_service.h"
#include "audit_log.h"
#include "change_log.h"
#include "received_request.h"

namespace sockhost {

// The service that gRPC knows: each method first asks whether the caller may,
// before it looks at anything else, whether the audit log can take what it is about
// to change, and whether what came is a request. One place for all methods, made
// from the rows of method_rules.h; a method without a row is UNIMPLEMENTED.
//
// Thread rule: gRPC's threads.
class GuardedAdminService final : public grpc::Service {
 public:
  // Not owned; they outlive the gRPC server. `audit` may be null.
  GuardedAdminService(AdminService& service, const AccessControl& access, AuditLog* audit,
                      ChangeLog& changes);

 private:
  // As gRPC writes it, "/sockhost.v1.AdminService/GetHost", and its row.
  struct Method {
    const char* name;
    AdminRole required;
    bool changes;
  };

  template <class Request, class Response>
  using Unary = grpc::ServerUnaryReactor* (AdminService::*)(grpc::CallbackServerContext*,
                                                            const Request*, Response*);
  template <class Request, class Response>
  using Stream = grpc::ServerWriteReactor<Response>* (AdminService::*)(grpc::CallbackServerContext*,
                                                                       const Request*);

  template <class Request, class Response>
  void Add(const Method& method, Unary<Request, Response> call);
  template <class Request, class Response>
  void Add(const Method& method, Stream<Request, Response> call);

  // Errors: ROLE_REQUIRED, AUDIT_UNAVAILABLE, REQUEST_INVALID.
  absl::Status Check(const grpc::CallbackServerContext& context, const Method& method,
                     const ReceivedMessage& received,
                     const google::protobuf::Descriptor& type) const;

  AdminService& service_;
  const AccessControl& access_;
  AuditLog* const audit_;
  ChangeLog& changes_;
  int methods_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_GUARDED_ADMIN_SERVICE_H_
