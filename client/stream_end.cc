#include "client/stream_end.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace sockhost::client {

absl::Status StatusOfEnd(const StreamEnd& end, absl::string_view what,
                         const AdminConnection& connection) {
  const std::string context = end.began ? "the watch broke" : absl::StrCat("cannot watch ", what);
  switch (end.cause) {
    case StreamGuard::Cause::kSignal:
    case StreamGuard::Cause::kReaderGone:
      return absl::OkStatus();
    case StreamGuard::Cause::kTimeout:
      return WithContext(context,
                         connection.ErrorOf(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")));
    case StreamGuard::Cause::kNone:
      break;
  }
  if (!end.status.ok()) return WithContext(context, connection.ErrorOf(end.status));
  if (end.is_expected && end.began) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(context, ": the daemon ended the stream early"));
}

}  // namespace sockhost::client
