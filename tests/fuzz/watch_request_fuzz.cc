// Requests of streams: any bytes that are one are checked to something within the
// contract's limits, or to an error with its reason and a field. The first byte of
// the input says which of the two.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "request_messages.h"
#include "require.h"
#include "sample_items.h"
#include "server/event_encoding.h"
#include "server/event_token.h"
#include "server/event_watch_options.h"
#include "server/proto_encoding.h"
#include "server/resource_filter.h"
#include "server/watch_options.h"
#include "sockhost/v1/event.pb.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost {
namespace {

constexpr absl::string_view kInstance = "5448d773-cc76-4523-849a-2cc4e7ea0e88";
constexpr int64_t kLastEvent = 1'000'000;

void CheckError(const absl::Status& status) {
  if (status.ok()) return;
  const auto detail = DetailOf(status);
  Require(detail.has_value(), "errors have a reason");
  RequireParseError(status, detail->reason);
  Require(!detail->field.empty(), "the field is named");
}

void CheckInterval(absl::Duration interval) {
  Require(interval == absl::ZeroDuration() ||
              (interval >= absl::Milliseconds(100) && interval <= absl::Hours(1)),
          "intervals are in their range");
}

// What a watch sends: a socket that matches, without what the mask hides.
void CheckShown(const WatchOptions& options) {
  for (const SocketSnapshot& socket : SampleItems<SocketSnapshot>()) {
    if (!options.filter.Matches(socket)) continue;
    v1::Socket shown;
    Encode(socket, shown);
    const size_t all = shown.ByteSizeLong();
    options.mask.Trim(shown);
    Require(!shown.name().empty(), "the name is always shown");
    const size_t some = shown.ByteSizeLong();
    Require(some == all || (some < all && !options.mask.key().empty()), "only a mask hides");
    options.mask.Trim(shown);
    Require(shown.ByteSizeLong() == some, "what is shown stays");
  }
}

void Check(const v1::WatchSocketsRequest& request) {
  const absl::StatusOr<WatchOptions> options = ParseWatchOptions(request);
  CheckError(options.status());
  if (!options.ok()) return;
  CheckInterval(options->interval);
  CheckInterval(options->heartbeat);
  Require(options->once() == (request.mode() == v1::WatchSocketsRequest::ONCE),
          "without an interval it is once");
  const absl::StatusOr<WatchOptions> again = ParseWatchOptions(request);
  Require(again.ok() && again->view_key == options->view_key, "equal requests share a view");
  CheckShown(*options);
}

// What a watch sends: an event that matches, without what the mask hides.
void CheckShown(const EventWatchOptions& options) {
  for (const HostEvent& event : SampleItems<HostEvent>()) {
    if (!options.filter.Matches(event)) continue;
    v1::Event shown;
    Encode(event, shown);
    const size_t all = shown.ByteSizeLong();
    options.mask.Trim(shown);
    const size_t some = shown.ByteSizeLong();
    Require(some == all || (some < all && !options.mask.key().empty()), "only a mask hides");
  }
}

void CheckNegation(const v1::WatchEventsRequest& request, const EventFilter& filter) {
  const absl::StatusOr<EventFilter> negated =
      EventFilter::Parse(absl::StrCat("NOT (", request.filter(), ")"));
  for (const HostEvent& event : SampleItems<HostEvent>()) {
    if (!negated.ok()) break;
    Require(filter.Matches(event) != negated->Matches(event), "NOT turns the answer round");
  }
}

void Check(const v1::WatchEventsRequest& request) {
  const absl::StatusOr<EventWatchOptions> options =
      ParseEventWatchOptions(request, kInstance, kLastEvent);
  CheckError(options.status());
  if (!options.ok()) return;
  CheckInterval(options->heartbeat);
  Require(options->once == (request.mode() == v1::WatchEventsRequest::ONCE), "once is once");
  CheckShown(*options);
  CheckNegation(request, options->filter);
  if (!options->after) {
    Require(request.include_history(), "the history is asked for");
    return;
  }
  Require(*options->after >= 0 && *options->after <= kLastEvent, "an event that there was");
  const std::string& token = request.resume_token();
  Require(token.empty() || EventToken(kInstance, *options->after) == token,
          "a token has one spelling");
}

template <class Request>
void CheckBytes(absl::string_view bytes) {
  Request request;
  if (request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) Check(request);
}

}  // namespace
}  // namespace sockhost

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  sockhost::SilenceProtobuf();
  sockhost::RequireRequestsOf(sockhost::Reply::kStream,
                              {sockhost::v1::WatchSocketsRequest::descriptor(),
                               sockhost::v1::WatchEventsRequest::descriptor()});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    sockhost::CheckBytes<sockhost::v1::WatchSocketsRequest>(bytes);
  } else {
    sockhost::CheckBytes<sockhost::v1::WatchEventsRequest>(bytes);
  }
  return 0;
}
