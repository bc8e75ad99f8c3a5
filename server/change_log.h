// Who changed what, in the log of the daemon.
#ifndef SOCKHOST_SERVER_CHANGE_LOG_H_
#define SOCKHOST_SERVER_CHANGE_LOG_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "access_control.h"

namespace sockhost {

// A line for each call of the admin API that has changed something, and, at most one a second,
// for those that access control has refused. With the fields of the audit log, which has every
// call, and is there when the answer is: these lines are for people and may be lost with others.
//
// Thread rule: any but the service thread; never waits.
class ChangeLog {
 public:
  // Not owned.
  explicit ChangeLog(const AccessControl& access) : access_(access) {}

  // For NoteChange. `call` has not been answered. Costs next to nothing where no line is written.
  AccessControl::Caller CallerOf(const grpc::ServerContextBase& call) const;
  // `method` is its bare name, `resource` a name that has been checked: "listeners/web".
  // Level INFO.
  void NoteChange(const AccessControl::Caller& caller, absl::string_view method,
                  absl::string_view resource) const;

  // `method` as gRPC writes it. Level WARNING.
  void NoteDenial(const AccessControl::Caller& caller, absl::string_view method);

 private:
  const AccessControl& access_;
  std::atomic<int64_t> next_denial_nanos_{0};
  std::atomic<int64_t> suppressed_{0};
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CHANGE_LOG_H_
