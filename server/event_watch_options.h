// A WatchEventsRequest, checked.
#ifndef SOCKHOST_SERVER_EVENT_WATCH_OPTIONS_H_
#define SOCKHOST_SERVER_EVENT_WATCH_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "read_mask.h"
#include "resource_filter.h"
#include "sockhost/v1/event.pb.h"

namespace sockhost {

struct EventWatchOptions {
  EventFilter filter;
  ReadMask mask;
  // Sequence of the last event that the reader knows; none: begin with the oldest
  // event that is kept.
  std::optional<int64_t> after;
  // End after the events that there are.
  bool once = false;
  // Zero: never.
  absl::Duration heartbeat;
};

// `last` is the last event of this instance. Errors: FIELD_INVALID, FILTER_INVALID,
// INTERVAL_INVALID, MASK_INVALID, RESUME_TOKEN_INVALID, each with its field, and INSTANCE_CHANGED.
absl::StatusOr<EventWatchOptions> ParseEventWatchOptions(const v1::WatchEventsRequest& request,
                                                         absl::string_view instance_id,
                                                         int64_t last);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_EVENT_WATCH_OPTIONS_H_
