#include "access_control.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "method_rules.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// What the caller, or whoever cares for its roles, can do.
std::string Advice(const AccessControl::Caller& caller, const std::string& file) {
  if (!caller.peer) return "; its connection has ended";
  if (caller.is_revoked) return "; the certificate is revoked";
  if (caller.is_own_process) {
    return "; it is this daemon itself, which forwards for somebody it does not know: connect to "
           "the "
           "admin socket directly";
  }
  if (!file.empty()) return absl::StrCat("; roles come from the file ", file);
  return "; give it a role in a file for --roles";
}

}  // namespace

AccessControl::Caller AccessControl::CallerOf(const grpc::ServerContextBase& call) const {
  Caller caller;
  caller.peer = peers_.Of(call);
  if (!caller.peer) return caller;
  caller.is_revoked = IsRevoked(*caller.peer);
  caller.is_own_process = IsOwnProcess(*caller.peer);
  if (!caller.is_revoked && !caller.is_own_process) caller.role = roles_.RoleOf(*caller.peer);
  return caller;
}

AdminRole AccessControl::RoleOf(const AdminPeer& peer) const {
  return IsRevoked(peer) || IsOwnProcess(peer) ? AdminRole::kNone : roles_.RoleOf(peer);
}

absl::Status AccessControl::Check(const Caller& caller, absl::string_view method) const {
  const MethodRule* rule = RuleOf(method);
  // What gRPC brings along may exist without a rule: nobody may call it. Anything else gets
  // UNIMPLEMENTED, which is not for everybody either.
  const bool is_for_nobody = rule == nullptr && absl::StartsWith(method, "/grpc.");
  const AdminRole least = rule != nullptr ? rule->role : AdminRole::kViewer;
  if (!is_for_nobody && caller.role >= least) return absl::OkStatus();
  const absl::string_view required = is_for_nobody ? "(nobody has it)" : RoleName(least);
  // A path of HTTP/2 may hold any bytes, and so may the names of a certificate.
  const std::string called = absl::CHexEscape(absl::StripPrefix(method, "/"));
  const std::string peer =
      caller.peer ? absl::CHexEscape(caller.peer->ToString()) : std::string("the caller");
  const std::string has = caller.role == AdminRole::kNone
                              ? "no role"
                              : absl::StrCat("the role ", RoleName(caller.role));
  return Error(
      Reason::kROLE_REQUIRED,
      absl::StrCat(called, " needs the role ", required, ": ", peer, " has ", has,
                   Advice(caller, roles_.file())),
      {{"required_role", std::string(required)}, {"role", std::string(RoleName(caller.role))}});
}

}  // namespace sockhost
