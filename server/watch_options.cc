#include "watch_options.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "mask_path.h"
#include "proto_encoding.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::Duration kShortestInterval = absl::Milliseconds(100);
constexpr absl::Duration kLongestInterval = absl::Hours(1);

// Taken as the default, what a newer client asks for would be something else here.
absl::Status CheckEnums(const v1::WatchSocketsRequest& request) {
  if (!v1::WatchSocketsRequest::Mode_IsValid(request.mode())) {
    return UnknownNumber("mode", request.mode(), "ONCE or STREAM");
  }
  if (!v1::WatchSocketsRequest::Trigger_IsValid(request.trigger())) {
    return UnknownNumber("trigger", request.trigger(), "SAMPLE or ON_CHANGE");
  }
  return absl::OkStatus();
}

// A watch has the view BASIC: asking the kernel takes longer than all the rest.
absl::Status RefuseDetails(const google::protobuf::FieldMask& mask) {
  for (const std::string& path : mask.paths()) {
    const absl::string_view field = absl::string_view(path).substr(0, path.find('.'));
    for (const absl::string_view detail : {"tcp_info", "queues", "memory", "options"}) {
      if (field != detail) continue;
      return MaskError(path,
                       "a watch does not show what the kernel tells; ask GetSocket or ListSockets "
                       "with SOCKET_VIEW_FULL",
                       "read_mask");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::Duration> ParseWatchInterval(const google::protobuf::Duration& interval,
                                                  absl::string_view field, absl::string_view zero) {
  absl::Status status = CheckDuration(interval, field, Reason::kINTERVAL_INVALID);
  if (!status.ok()) return status;
  const absl::Duration wanted = DecodeDuration(interval);
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
  if (absl::Status status = CheckEnums(request); !status.ok()) return status;
  WatchOptions options;
  absl::StatusOr<SocketFilter> filter = SocketFilter::Parse(request.filter());
  if (!filter.ok()) return filter.status();
  options.filter = *std::move(filter);
  absl::StatusOr<ReadMask> mask =
      ReadMask::Parse(request.read_mask(), *v1::Socket::descriptor(), "read_mask");
  if (!mask.ok()) return mask.status();
  if (absl::Status status = RefuseDetails(request.read_mask()); !status.ok()) return status;
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
