// Who changed what, in the log of the daemon.
#ifndef SOCKHOST_SERVER_CHANGE_LOG_H_
#define SOCKHOST_SERVER_CHANGE_LOG_H_

#include <grpcpp/server_context.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "access_control.h"
#include "line_budget.h"

namespace sockhost {

// A line for each call of the admin API that has changed something, at most 100 a second, and, at
// most one a second, for those that access control has refused. With the fields of the audit log,
// which has every call, and is there when the answer is: these lines are for people and may be
// lost with others.
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
                  absl::string_view resource);

  // `method` as gRPC writes it. Level WARNING.
  void NoteDenial(const AccessControl::Caller& caller, absl::string_view method);

 private:
  const AccessControl& access_;
  // More than people and their scripts do; a program that makes and deletes listeners all the
  // time must not pay for lines that nobody reads.
  LineBudget changes_{100};
  // A client that has no role may try as often as it likes.
  LineBudget denials_{1};
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CHANGE_LOG_H_
