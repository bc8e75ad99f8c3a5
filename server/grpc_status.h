// The border between absl::Status and gRPC.
#ifndef SOCKHOST_SERVER_GRPC_STATUS_H_
#define SOCKHOST_SERVER_GRPC_STATUS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// The gRPC status of `status`, with google.rpc.Status in its details: ErrorInfo
// with the reason and metadata of sockhost/error.h, and BadRequest where fields
// of the request are wrong. A status that was not made by Error() becomes
// INTERNAL with reason INTERNAL. Any thread.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Ends a call whose handler is not ours, now: its client gets PERMISSION_DENIED with `why`, and no
// details; what the handler says comes too late. For interceptors.
void DenyCall(grpc::ServerContextBase& call, absl::string_view why);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_GRPC_STATUS_H_
