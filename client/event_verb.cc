#include "client/event_verb.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/display_text.h"
#include "client/duration_flag.h"
#include "client/event_text.h"
#include "client/json_text.h"
#include "client/stream_end.h"
#include "client/stream_guard.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

absl::Status Show(const v1::WatchEventsResponse& message, OutputFormat format, Output& output) {
  if (format == OutputFormat::kJson) return output.Write(JsonText(message, JsonLayout::kOneLine));
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
         "Which events, e.g. 'kind = SOCKET_CLOSED AND listener = web'")
      ->type_name("EXPR");
  app.add_option_function<std::string>(
         "--resume", [&request](const std::string& token) { request.set_resume_token(token); },
         "Go on behind this resumeToken (-o json shows it) [from now on]")
      ->type_name("TOKEN");
  AddDurationFlag(app, "--heartbeat",
                  "A message without events after so long a silence, 100ms to 1h [never]",
                  [&request](absl::Duration interval) {
                    SetDuration(interval, *request.mutable_heartbeat_interval());
                  });
  app.add_option("--count", arguments.event_count, "End after so many events")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
}

absl::Status RunEvents(const Arguments& arguments, AdminConnection& connection, Output& output) {
  grpc::ClientContext context;
  StreamGuard guard(context, output.fd(), arguments.timeout);
  v1::AdminService::Stub stub(connection.channel());
  const auto stream = stub.WatchEvents(&context, arguments.watch_events);
  v1::WatchEventsResponse message;
  absl::Status shown;
  bool began = false;
  bool enough = false;
  int64_t events = 0;
  while (shown.ok() && !enough && stream->Read(&message)) {
    guard.FirstMessageArrived();
    began = true;
    shown = Show(message, arguments.output, output);
    events += message.events_size();
    enough = arguments.event_count > 0 && events >= arguments.event_count;
  }
  if (!shown.ok() || enough) {
    context.TryCancel();
    stream->Finish();
    return shown;
  }
  const grpc::Status end = stream->Finish();
  return StatusOfEnd({end, guard.cause(), began, /*is_expected=*/false}, "events", connection);
}

}  // namespace sockhost::client
