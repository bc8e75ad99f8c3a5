// The border between gRPC and sockctl: one translation of errors, one of exit codes.
//
// A failed call becomes an absl::Status with the same code, a message for
// people, and its google.rpc.Status as a payload. A status without that payload
// is an error of sockctl itself.
#ifndef SOCKHOST_CLIENT_RPC_ERROR_H_
#define SOCKHOST_CLIENT_RPC_ERROR_H_

#include <grpcpp/support/status.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/admin_address.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace sockhost::client {

// Domains of ErrorInfo: who gives the reason.
inline constexpr absl::string_view kDaemonDomain = "sockhost";
inline constexpr absl::string_view kClientDomain = "sockctl";

// `error` is not OK. Errors that gRPC made itself (nobody there, no answer in
// time, no such method) get an ErrorInfo of kClientDomain with metadata "hint".
absl::Status StatusOfCall(const grpc::Status& error, const AdminAddress& address,
                          absl::Duration timeout);

// The same status with `what` before its message: "WHAT: message".
absl::Status WithContext(absl::string_view what, const absl::Status& status);

// The same status with `advice` behind its message.
absl::Status WithSuffix(const absl::Status& status, absl::string_view advice);

// The details of a failed call; nothing if the error is sockctl's own.
std::optional<google::rpc::Status> DetailsOf(const absl::Status& status);

// Its ErrorInfo, if it has one.
std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status);

// 0 for OK and CANCELLED of our own (the user or the reader of the output had
// enough), 64 + code for failed calls, else 1. Usage errors exit with 2 before
// there is a status.
int ExitCode(const absl::Status& status);

inline constexpr int kExitUsage = 2;

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_RPC_ERROR_H_
