// Who may call what.
#ifndef SOCKHOST_SERVER_ACCESS_CONTROL_H_
#define SOCKHOST_SERVER_ACCESS_CONTROL_H_

#include <grpcpp/server_context.h>
#include <sys/types.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "admin_peers.h"
#include "admin_role.h"
#include "roles.h"
#include "server_certificates.h"

namespace sockhost {

// Compares the role of a caller with the rule of a method. Denies by default:
// a peer that is not known, or whose certificate is revoked, or that is the daemon, has no role; a
// method of gRPC's that has no rule nobody may call, and that others do not exist is told to
// callers with a role.
//
// Thread rule: any.
class AccessControl {
 public:
  struct Caller {
    // Null: its connection has ended.
    std::shared_ptr<const AdminPeer> peer;
    AdminRole role = AdminRole::kNone;
    bool is_revoked = false;
    // It has come on a unix socket from the process that must not.
    bool is_own_process = false;
  };

  // Not owned. `certificates` is null where there is no TLS. `own_pid`: a process that has no
  // role, whatever its user has; 0: none. The daemon says its own: what comes from there to
  // its unix socket was forwarded for somebody else.
  AccessControl(const AdminPeers& peers, const Roles& roles, const ServerCertificates* certificates,
                pid_t own_pid = 0)
      : peers_(peers), roles_(roles), certificates_(certificates), own_pid_(own_pid) {}

  Caller CallerOf(const grpc::ServerContextBase& call) const;
  // Of a stream that goes on: the role that its caller has now.
  AdminRole RoleOf(const AdminPeer& peer) const;

  // `method` as gRPC writes it. Error: ROLE_REQUIRED.
  absl::Status Check(const Caller& caller, absl::string_view method) const;
  // The same for a method whose rule is known: it needs `required`.
  absl::Status Check(const Caller& caller, absl::string_view method, AdminRole required) const {
    return caller.role >= required ? absl::OkStatus() : Check(caller, method);
  }

 private:
  bool IsRevoked(const AdminPeer& peer) const {
    return certificates_ != nullptr && certificates_->IsRevoked(peer);
  }
  bool IsOwnProcess(const AdminPeer& peer) const { return own_pid_ != 0 && peer.pid == own_pid_; }

  const AdminPeers& peers_;
  const Roles& roles_;
  const ServerCertificates* const certificates_;
  const pid_t own_pid_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ACCESS_CONTROL_H_
