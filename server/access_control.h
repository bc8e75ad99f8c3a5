// Who may call what.
#ifndef SOCKHOST_SERVER_ACCESS_CONTROL_H_
#define SOCKHOST_SERVER_ACCESS_CONTROL_H_

#include <grpcpp/server_context.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "admin_peers.h"
#include "admin_role.h"
#include "roles.h"
#include "server_certificates.h"

namespace sockhost {

// Compares the role of a caller with the rule of a method. Denies by default:
// a peer that is not known, or whose certificate is revoked, has no role; a method
// that has no rule nobody may call.
//
// Thread rule: any.
class AccessControl {
 public:
  struct Caller {
    // Null: its connection has ended.
    std::shared_ptr<const AdminPeer> peer;
    AdminRole role = AdminRole::kNone;
    bool is_revoked = false;
  };

  // Not owned. `certificates` is null where there is no TLS.
  AccessControl(const AdminPeers& peers, const Roles& roles, const ServerCertificates* certificates)
      : peers_(peers), roles_(roles), certificates_(certificates) {}

  Caller CallerOf(const grpc::ServerContextBase& call) const;

  // `method` as gRPC writes it. Error: ROLE_REQUIRED.
  absl::Status Check(const Caller& caller, absl::string_view method) const;
  // The same for a method whose rule is known: it needs `required`.
  absl::Status Check(const Caller& caller, absl::string_view method, AdminRole required) const {
    return caller.role >= required ? absl::OkStatus() : Check(caller, method);
  }

 private:
  const AdminPeers& peers_;
  const Roles& roles_;
  const ServerCertificates* const certificates_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ACCESS_CONTROL_H_
