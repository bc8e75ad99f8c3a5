#include "change_log.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "logging.h"
#include "monotonic_time.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// A client that has no role may try as often as it likes.
constexpr int64_t kDenialPauseNanos = 1'000'000'000;

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
                           absl::string_view resource) const {
  if (!IsLogged(LogLevel::kInfo)) return;
  LogCall(LogLevel::kInfo, "changed by a call", caller, absl::StrCat(kService, method),
          {"resource", resource}, {"code", "OK"});
}

void ChangeLog::NoteDenial(const AccessControl::Caller& caller, absl::string_view method) {
  const int64_t now = absl::ToInt64Nanoseconds(MonotonicTime());
  int64_t allowed = next_denial_nanos_.load(std::memory_order_relaxed);
  if (now < allowed ||
      !next_denial_nanos_.compare_exchange_strong(allowed, now + kDenialPauseNanos)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  LogCall(LogLevel::kWarning, "a call was denied", caller, absl::StripPrefix(method, "/"),
          {"suppressed", suppressed_.exchange(0, std::memory_order_relaxed)},
          {"reason", ReasonName(Reason::kROLE_REQUIRED)});
}

}  // namespace sockhost
