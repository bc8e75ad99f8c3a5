// Errors: one table of reasons, carried inside absl::Status.
//
// A Status made by Error() has the gRPC code of its reason, a message of the
// form "what failed: value: why; what to do", and a payload with the reason and
// the values that the message speaks of. The gRPC border turns the payload into
// google.rpc.ErrorInfo; the C border maps it to an errno.
#ifndef SOCKHOST_ERROR_H_
#define SOCKHOST_ERROR_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// X(reason, absl code, errno of the C border). The contract's table stands in
// proto/sockhost/v1/admin.proto; a test compares the two.
#define SOCKHOST_ERROR_REASONS(X)                              \
  X(LISTENER_ID_INVALID, kInvalidArgument, EINVAL)             \
  X(NAME_INVALID, kInvalidArgument, EINVAL)                    \
  X(ADDRESS_INVALID, kInvalidArgument, EINVAL)                 \
  X(SERVICE_INVALID, kInvalidArgument, EINVAL)                 \
  X(FIELD_INVALID, kInvalidArgument, EINVAL)                   \
  X(REQUEST_INVALID, kInvalidArgument, EINVAL)                 \
  X(REQUEST_ID_INVALID, kInvalidArgument, EINVAL)              \
  X(REQUEST_ID_REUSED, kInvalidArgument, EINVAL)               \
  X(FILTER_INVALID, kInvalidArgument, EINVAL)                  \
  X(ORDER_BY_INVALID, kInvalidArgument, EINVAL)                \
  X(PAGE_SIZE_INVALID, kInvalidArgument, EINVAL)               \
  X(PAGE_TOKEN_INVALID, kInvalidArgument, EINVAL)              \
  X(INTERVAL_INVALID, kInvalidArgument, EINVAL)                \
  X(MASK_INVALID, kInvalidArgument, EINVAL)                    \
  X(RESUME_TOKEN_INVALID, kInvalidArgument, EINVAL)            \
  X(LISTENER_NOT_FOUND, kNotFound, ENOENT)                     \
  X(SOCKET_NOT_FOUND, kNotFound, ENOENT)                       \
  X(SERVICE_NOT_FOUND, kNotFound, ENOENT)                      \
  X(LISTENER_EXISTS, kAlreadyExists, EEXIST)                   \
  X(ADDRESS_IN_USE, kFailedPrecondition, EADDRINUSE)           \
  X(BIND_NOT_PERMITTED, kFailedPrecondition, EACCES)           \
  X(ADDRESS_NOT_AVAILABLE, kFailedPrecondition, EADDRNOTAVAIL) \
  X(STATE_INVALID, kFailedPrecondition, EBUSY)                 \
  X(LISTENER_BUSY, kFailedPrecondition, EBUSY)                 \
  X(FORWARD_LOOP, kFailedPrecondition, ELOOP)                  \
  X(INSTANCE_CHANGED, kFailedPrecondition, ESTALE)             \
  X(SEQUENCE_EXPIRED, kOutOfRange, ERANGE)                     \
  X(ETAG_MISMATCH, kAborted, EAGAIN)                           \
  X(REQUEST_IN_PROGRESS, kAborted, EAGAIN)                     \
  X(FD_LIMIT, kResourceExhausted, EMFILE)                      \
  X(SOCKET_LIMIT, kResourceExhausted, ENOSPC)                  \
  X(LISTENER_LIMIT, kResourceExhausted, ENOSPC)                \
  X(WATCH_LIMIT, kResourceExhausted, ENOSPC)                   \
  X(ROLE_REQUIRED, kPermissionDenied, EPERM)                   \
  X(EVENTS_LOST, kResourceExhausted, EOVERFLOW)                \
  X(SERVICE_THREAD_STALLED, kUnavailable, ETIMEDOUT)           \
  X(AUDIT_UNAVAILABLE, kUnavailable, EIO)                      \
  X(SHUTTING_DOWN, kUnavailable, EIO)                          \
  X(INTERNAL, kInternal, EIO)

enum class Reason {
#define SOCKHOST_X(reason, code, error_number) k##reason,
  SOCKHOST_ERROR_REASONS(SOCKHOST_X)
#undef SOCKHOST_X
};

// "ADDRESS_IN_USE" and the like: constants of the contract.
absl::string_view ReasonName(Reason reason);

// The values that a message speaks of, by name ("address", "limit", ...).
using ErrorMetadata = std::map<std::string, std::string>;

// Makes the Status of `reason`. `field` names the wrong field of a request
// ("listener.address") where there is one.
absl::Status Error(Reason reason, absl::string_view message, ErrorMetadata metadata = {},
                   absl::string_view field = {});

// A wrong field of a request.
struct FieldViolation {
  std::string field;
  std::string description;
  bool operator==(const FieldViolation&) const = default;
};

// What Error() put in, and FieldErrors.
struct ErrorDetail {
  Reason reason = Reason::kINTERNAL;
  ErrorMetadata metadata;
  std::string field;
  // Further wrong fields, each of its own, of the same request.
  std::vector<FieldViolation> others;
};

// Reads the payload back; nothing if `status` was not made by Error().
std::optional<ErrorDetail> DetailOf(const absl::Status& status);

// Names the wrong field of a request in an error that a layer made which knows
// no requests. Returns `status` unchanged if it was not made by Error(). Others are left out.
absl::Status WithField(const absl::Status& status, absl::string_view field);

// Collects errors of fields of one request that can be looked for independently. A value type.
class FieldErrors {
 public:
  // OK is no error. Of one field the first error counts. A status with others in its detail adds
  // them, too. What is too much for the trailers of an answer is left out.
  void Add(const absl::Status& status);

  bool empty() const { return first_.ok(); }

  // The first error that was added, with the others in its detail; OK if there was none.
  absl::Status ToStatus() const;

 private:
  bool Has(absl::string_view field) const;
  void AddOther(absl::string_view field, absl::string_view description);

  absl::Status first_;
  std::string field_of_first_;
  std::vector<FieldViolation> others_;
  size_t size_of_others_ = 0;
};

// "Too many open files (EMFILE)".
std::string DescribeErrno(int error_number);

}  // namespace sockhost

#endif  // SOCKHOST_ERROR_H_
