#include "watch_options.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::Duration kShortestInterval = absl::Milliseconds(100);
constexpr absl::Duration kLongestInterval = absl::Hours(1);

}  // namespace

absl::StatusOr<absl::Duration> ParseWatchInterval(const google::protobuf::Duration& interval,
                                                  absl::string_view field, absl::string_view zero) {
  const absl::Duration wanted =
      absl::Seconds(interval.seconds()) + absl::Nanoseconds(interval.nanos());
  const bool in_range = wanted >= kShortestInterval && wanted <= kLongestInterval;
  if (wanted == absl::ZeroDuration() || in_range) return wanted;
  const std::string shown = absl::FormatDuration(wanted);
  return Error(Reason::kINTERVAL_INVALID,
               absl::StrCat(field, " ", shown, ": use 0 (", zero, ") or ",
                            absl::FormatDuration(kShortestInterval), " to ",
                            absl::FormatDuration(kLongestInterval)),
               {{"value", shown}}, field);
}

absl::StatusOr<WatchOptions> ParseWatchOptions(const v1::WatchSocketsRequest& request) {
  WatchOptions options;
  absl::StatusOr<SocketFilter> filter = SocketFilter::Parse(request.filter());
  if (!filter.ok()) return filter.status();
  options.filter = *std::move(filter);
  absl::StatusOr<ReadMask> mask =
      ReadMask::Parse(request.read_mask(), *v1::Socket::descriptor(), "read_mask");
  if (!mask.ok()) return mask.status();
  options.mask = *std::move(mask);

  absl::StatusOr<absl::Duration> interval =
      ParseWatchInterval(request.sample_interval(), "sample_interval",
                         absl::StrCat("that is ", absl::FormatDuration(kShortestInterval)));
  if (!interval.ok()) return interval.status();
  const bool once = request.mode() == v1::WatchSocketsRequest::ONCE;
  options.interval = once ? absl::ZeroDuration() : std::max(*interval, kShortestInterval);
  absl::StatusOr<absl::Duration> heartbeat =
      ParseWatchInterval(request.heartbeat_interval(), "heartbeat_interval", "never");
  if (!heartbeat.ok()) return heartbeat.status();
  options.heartbeat = *heartbeat;

  options.only_changed =
      request.suppress_redundant() || request.trigger() == v1::WatchSocketsRequest::ON_CHANGE;
  options.updates_only = request.updates_only();
  // No path of a mask holds a zero byte.
  options.view_key = absl::StrCat(options.mask.key(), absl::string_view("\0", 1), request.filter());
  return options;
}

}  // namespace sockhost
