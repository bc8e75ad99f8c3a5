// Where a reader of events stands, as a text for the client.
#ifndef SOCKHOST_SERVER_EVENT_TOKEN_H_
#define SOCKHOST_SERVER_EVENT_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// Opaque to clients: instance and sequence of the last event that was looked at.
std::string EventToken(absl::string_view instance_id, int64_t sequence);

// The sequence of a token of this instance. `last` is that of the newest event:
// nobody can have seen a later one. Errors: RESUME_TOKEN_INVALID,
// INSTANCE_CHANGED, both with the field "resume_token".
absl::StatusOr<int64_t> ParseEventToken(absl::string_view token, absl::string_view instance_id,
                                        int64_t last);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_EVENT_TOKEN_H_
