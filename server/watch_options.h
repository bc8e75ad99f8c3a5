// A WatchSocketsRequest, checked.
#ifndef SOCKHOST_SERVER_WATCH_OPTIONS_H_
#define SOCKHOST_SERVER_WATCH_OPTIONS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "read_mask.h"
#include "resource_filter.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost {

struct WatchOptions {
  SocketFilter filter;
  ReadMask mask;
  // Zero: once.
  absl::Duration interval;
  bool only_changed = false;
  bool updates_only = false;
  // Zero: never.
  absl::Duration heartbeat;
  // Equal for watches that have the same view of the sockets.
  std::string view_key;

  bool once() const { return interval == absl::ZeroDuration(); }
};

// Errors: FIELD_INVALID, FILTER_INVALID, INTERVAL_INVALID, MASK_INVALID, each with its field.
absl::StatusOr<WatchOptions> ParseWatchOptions(const v1::WatchSocketsRequest& request);

// 0, or 100 ms to 1 h. Error: INTERVAL_INVALID with `field`; `zero` says what 0
// means.
absl::StatusOr<absl::Duration> ParseWatchInterval(const google::protobuf::Duration& interval,
                                                  absl::string_view field, absl::string_view zero);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_WATCH_OPTIONS_H_
