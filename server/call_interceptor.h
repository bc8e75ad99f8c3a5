// What happens to every call of every service of the admin API.
#ifndef SOCKHOST_SERVER_CALL_INTERCEPTOR_H_
#define SOCKHOST_SERVER_CALL_INTERCEPTOR_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "access_control.h"
#include "audit_log.h"
#include "change_log.h"

namespace sockhost {

// Two things that GuardedAdminService cannot do.
//
// It denies calls of what is not ours: the services that gRPC brings along (health,
// reflection, channelz), which cannot be wrapped, end with PERMISSION_DENIED and its
// text, without details; so does a method that does not exist, with ROLE_REQUIRED, for
// callers without any role. Others get UNIMPLEMENTED.
//
// It writes the audit log: a line for each call that changes something, and for
// each that is denied, before the answer is sent. Denied calls of peers without any
// role have 10 lines a second, which say how many have none: whoever may do nothing
// must not fill the disk either. If the line cannot be written
// and the log is to fail closed, the answer becomes AUDIT_UNAVAILABLE; it then
// says that the call was carried out.
//
// `access`, `audit` (may be null) and `changes`, for the daemon's log, are not owned.
// Thread rule: any.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CallInterceptors(
    const AccessControl& access, AuditLog* audit, ChangeLog& changes);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CALL_INTERCEPTOR_H_
