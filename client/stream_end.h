// What the end of a stream means.
#ifndef SOCKHOST_CLIENT_STREAM_END_H_
#define SOCKHOST_CLIENT_STREAM_END_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/admin_connection.h"
#include "client/stream_guard.h"

namespace sockhost::client {

struct StreamEnd {
  grpc::Status status;
  // Why we ended it ourselves, if we did.
  StreamGuard::Cause cause = StreamGuard::Cause::kNone;
  // There was a message.
  bool began = false;
  // The daemon was asked to end it by itself.
  bool is_expected = false;
};

// OK if the user, the reader of the output or the request ended the stream. `what`
// is watched: "sockets".
absl::Status StatusOfEnd(const StreamEnd& end, absl::string_view what,
                         const AdminConnection& connection);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_STREAM_END_H_
