#include "event_watch_options.h"

#include <utility>

#include "event_token.h"
#include "proto_encoding.h"
#include "watch_options.h"

namespace sockhost {

absl::StatusOr<EventWatchOptions> ParseEventWatchOptions(const v1::WatchEventsRequest& request,
                                                         absl::string_view instance_id,
                                                         int64_t last) {
  // Taken as the default, what a newer client asks for would be something else here.
  if (!v1::WatchEventsRequest::Mode_IsValid(request.mode())) {
    return UnknownNumber("mode", request.mode(), "ONCE or STREAM");
  }
  EventWatchOptions options;
  options.once = request.mode() == v1::WatchEventsRequest::ONCE;
  absl::StatusOr<EventFilter> filter = EventFilter::Parse(request.filter());
  if (!filter.ok()) return filter.status();
  options.filter = *std::move(filter);
  absl::StatusOr<ReadMask> mask =
      ReadMask::Parse(request.read_mask(), *v1::Event::descriptor(), "read_mask");
  if (!mask.ok()) return mask.status();
  options.mask = *std::move(mask);
  absl::StatusOr<absl::Duration> heartbeat =
      ParseWatchInterval(request.heartbeat_interval(), "heartbeat_interval", "never");
  if (!heartbeat.ok()) return heartbeat.status();
  options.heartbeat = *heartbeat;
  if (!request.resume_token().empty()) {
    const absl::StatusOr<int64_t> after =
        ParseEventToken(request.resume_token(), instance_id, last);
    if (!after.ok()) return after.status();
    options.after = *after;
  } else if (!request.include_history()) {
    options.after = last;
  }
  return options;
}

}  // namespace sockhost
