// The gRPC server of the admin API.
#ifndef SOCKHOST_SERVER_ADMIN_SERVER_H_
#define SOCKHOST_SERVER_ADMIN_SERVER_H_

#include <grpcpp/server.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "access_control.h"
#include "admin_acceptor.h"
#include "audit_log.h"
#include "change_log.h"
#include "guarded_admin_service.h"
#include "introspection.h"
#include "server_certificates.h"
#include "watch_set.h"

namespace sockhost {

// AdminService, grpc.health.v1, reflection and, if wanted, channelz on the
// connections that an acceptor brings.
//
// Thread rule: main.
class AdminServer {
 public:
  // What stands before the methods. Not owned; outlives the server.
  struct Access {
    const AccessControl& control;
    ChangeLog& changes;
    // Null: no audit log.
    AuditLog* audit = nullptr;
    // Null: no TLS.
    ServerCertificates* certificates = nullptr;
  };

  // Starts to serve; health is SERVING. `service` and `acceptor` are not owned and
  // outlive the server. Error: INTERNAL.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(
      GuardedAdminService& service, const Access& access, AdminAcceptor& acceptor,
      const IntrospectionOptions& introspection = {});

  // Any thread: what grpc.health.v1 answers for "" and for AdminService.
  void SetServing(bool serving);

  // Ends every stream and connection, and the server. Watches may take until `deadline`, on the
  // monotonic clock, to tell what there is and to end by themselves; the rest takes half a
  // second at most, whatever the readers do.
  void Stop(WatchSet& watches, AdminAcceptor& acceptor, absl::Duration deadline);

 private:
  explicit AdminServer(std::unique_ptr<grpc::Server> server) : server_(std::move(server)) {}

  const std::unique_ptr<grpc::Server> server_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_SERVER_H_
