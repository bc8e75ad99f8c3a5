// RoleRules::Parse: any text is rules that answer for every peer, or an error.
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "require.h"
#include "server/role_rules.h"

using sockhost::AdminPeer;
using sockhost::AdminRole;
using sockhost::Require;
using sockhost::RoleRules;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<RoleRules> rules = RoleRules::Parse(text);
  if (!rules.ok()) {
    sockhost::RequireParseError(rules.status(), sockhost::Reason::kFIELD_INVALID);
    return 0;
  }
  AdminPeer peer;
  for (const auto transport :
       {AdminPeer::Transport::kUnix, AdminPeer::Transport::kTls, AdminPeer::Transport::kTcp}) {
    peer.transport = transport;
    peer.names = {"dns:viewer.example.com", "uri:", ""};
    const AdminRole role = rules->RoleOf(peer);
    Require(role >= AdminRole::kNone && role <= AdminRole::kAdmin, "a role is one of the four");
    Require(!text.empty() || role == AdminRole::kNone, "without a rule nobody has a role");
  }
  return 0;
}
