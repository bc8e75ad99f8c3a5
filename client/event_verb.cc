#include "client/event_verb.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/display_text.h"
#include "client/duration_flag.h"
#include "client/event_text.h"
#include "client/json_text.h"
#include "client/list_flags.h"
#include "client/number_flag.h"
#include "client/rpc_error.h"
#include "client/stream_end.h"
#include "client/stream_guard.h"
#include "client/switch_flag.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

// A failure, with what is needed to lose nothing.
absl::Status WithToken(const absl::Status& status, const std::string& token) {
  if (status.ok() || token.empty()) return status;
  const auto info = ErrorInfoOf(status);
  // The daemon names a token that is of more use, or says that this one is of none.
  if (info.has_value() && !info->reason().empty()) return status;
  return WithSuffix(status, absl::StrCat("; go on with --resume ", token));
}

// What event.proto says is not sent.
const LeftOutFields& NotSent() {
  static const LeftOutFields* fields = new LeftOutFields{
      {v1::Socket::descriptor()->full_name(), {"local_address", "cookie", "poll_events"}}};
  return *fields;
}

// Leaves `count` events at most. A token stands for all events of a message: who went
// on with that of a shorter one would lose the others.
void ShortenTo(int64_t count, v1::WatchEventsResponse& message, LeftOutFields& left_out) {
  if (message.events_size() <= count) return;
  message.mutable_events()->DeleteSubrange(static_cast<int>(count),
                                           message.events_size() - static_cast<int>(count));
  message.clear_resume_token();
  left_out[message.GetDescriptor()->full_name()].insert("resume_token");
}

absl::Status Show(v1::WatchEventsResponse& message, int64_t count, OutputFormat format,
                  Output& output) {
  LeftOutFields left_out = NotSent();
  ShortenTo(count, message, left_out);
  if (format == OutputFormat::kJson) {
    const absl::StatusOr<std::string> json = JsonText(message, JsonLayout::kOneLine, left_out);
    // Going on would leave a hole in what a script reads, and not say so.
    return json.ok() ? output.Write(*json) : WithToken(json.status(), message.resume_token());
  }
  std::string lines;
  for (const v1::Event& event : message.events()) {
    absl::StrAppend(&lines, format == OutputFormat::kName
                                ? absl::StrCat(Printable(SubjectOf(event)), "\n")
                                : EventLine(event));
  }
  return lines.empty() ? absl::OkStatus() : output.Write(lines);
}

}  // namespace

void DeclareEvents(CLI::App& app, Arguments& arguments) {
  v1::WatchEventsRequest& request = arguments.watch_events;
  app.add_option_function<std::string>(
         "--filter", [&request](const std::string& filter) { request.set_filter(filter); },
         absl::StrCat("Which events, e.g. '", kEventFilter, "'"))
      ->type_name("EXPR");
  app.add_option_function<std::string>(
         "--resume", [&request](const std::string& token) { request.set_resume_token(token); },
         "Go on behind this resumeToken (-o json shows it, and a stream that breaks) [from now on]")
      ->type_name("TOKEN");
  AddSwitch(app, "--history", "Begin with the oldest event that the daemon still has",
            [&request](bool on) { request.set_include_history(on); });
  AddSwitch(app, "--once", "The events that there are, from the oldest or --resume on, and the end",
            [&request](bool on) {
              request.set_mode(on ? v1::WatchEventsRequest::ONCE : v1::WatchEventsRequest::STREAM);
              if (on) request.set_include_history(true);
            });
  AddDurationFlag(app, "--heartbeat",
                  "A message without events after so long a silence, 100ms to 1h [never]",
                  [&request](absl::Duration interval) {
                    SetDuration(interval, *request.mutable_heartbeat_interval());
                  });
  AddNumberFlag(app, "--count",
                "End after so many events; in JSON a message with more of them has no resumeToken",
                kAnyCount, [&arguments](int64_t n) { arguments.event_count = n; });
}

absl::Status RunEvents(const Arguments& arguments, AdminConnection& connection, Output& output) {
  grpc::ClientContext context;
  StreamGuard guard(context, output, arguments.timeout);
  v1::AdminService::Stub stub(connection.channel());
  const auto stream = stub.WatchEvents(&context, arguments.watch_events);
  v1::WatchEventsResponse message;
  absl::Status shown;
  bool began = false;
  std::string token;
  const int64_t wanted =
      arguments.event_count > 0 ? arguments.event_count : std::numeric_limits<int64_t>::max();
  int64_t events = 0;
  while (shown.ok() && events < wanted && stream->Read(&message)) {
    guard.FirstMessageArrived();
    began = true;
    token = message.resume_token();
    shown = Show(message, wanted - events, arguments.output, output);
    events += message.events_size();
  }
  if (!shown.ok() || events == wanted) {
    context.TryCancel();
    stream->Finish();
    return shown;
  }
  const grpc::Status end = stream->Finish();
  const bool once = arguments.watch_events.mode() == v1::WatchEventsRequest::ONCE;
  return WithToken(StatusOfEnd({end, guard.cause(), began, once}, "events", connection), token);
}

}  // namespace sockhost::client
