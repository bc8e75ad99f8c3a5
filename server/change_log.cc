#include "change_log.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "logging.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::string_view kService = "sockhost.v1.AdminService/";

// The line, with who `caller` is, as the audit log names it.
void LogCall(LogLevel level, absl::string_view message, const AccessControl::Caller& caller,
             absl::string_view method, const LogField& what, const LogField& outcome) {
  const LogField role("role", RoleName(caller.role));
  const LogField call("method", method);
  if (!caller.peer) return LogLine(level, message, {call, what, role, outcome});
  const AdminPeer& peer = *caller.peer;
  const std::string transport_name = TransportName(peer.transport);
  const LogField transport("transport", transport_name);
  if (peer.transport == AdminPeer::Transport::kUnix) {
    return LogLine(level, message,
                   {call, what, transport, LogField("uid", peer.uid), LogField("gid", peer.gid),
                    LogField("pid", peer.pid), role, outcome});
  }
  // A certificate may hold any bytes.
  const std::string names = absl::CHexEscape(absl::StrJoin(peer.names, ","));
  LogLine(level, message,
          {call, what, transport, LogField("names", names), LogField("address", peer.address), role,
           outcome});
}

}  // namespace

AccessControl::Caller ChangeLog::CallerOf(const grpc::ServerContextBase& call) const {
  return IsLogged(LogLevel::kInfo) ? access_.CallerOf(call) : AccessControl::Caller();
}

void ChangeLog::NoteChange(const AccessControl::Caller& caller, absl::string_view method,
                           absl::string_view resource) {
  if (!IsLogged(LogLevel::kInfo)) return;
  const int64_t suppressed = changes_.Take();
  if (suppressed < 0) return;
  if (suppressed > 0) {
    LogLine(LogLevel::kInfo, "more calls have changed something than are logged",
            {{"suppressed", suppressed}});
  }
  LogCall(LogLevel::kInfo, "changed by a call", caller, absl::StrCat(kService, method),
          {"resource", resource}, {"code", "OK"});
}

void ChangeLog::NoteDenial(const AccessControl::Caller& caller, absl::string_view method) {
  const int64_t suppressed = denials_.Take();
  if (suppressed < 0) return;
  LogCall(LogLevel::kWarning, "a call was denied", caller, absl::StripPrefix(method, "/"),
          {"suppressed", suppressed}, {"reason", ReasonName(Reason::kROLE_REQUIRED)});
}

}  // namespace sockhost
