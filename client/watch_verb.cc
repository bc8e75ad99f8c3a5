#include "client/watch_verb.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/duration_flag.h"
#include "client/stream_guard.h"
#include "client/watch_display.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

using v1::WatchSocketsRequest;

// What the end of a stream means that we did not end ourselves.
absl::Status StatusOfEnd(const grpc::Status& end, StreamGuard::Cause cause, bool once,
                         const WatchDisplay& display, const AdminConnection& connection) {
  const bool began = display.complete_samples() > 0;
  const std::string what = began ? "the watch broke" : "cannot watch sockets";
  switch (cause) {
    case StreamGuard::Cause::kSignal:
    case StreamGuard::Cause::kReaderGone:
      return absl::OkStatus();
    case StreamGuard::Cause::kTimeout:
      return WithContext(what,
                         connection.ErrorOf(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")));
    case StreamGuard::Cause::kNone:
      break;
  }
  if (!end.ok()) return WithContext(what, connection.ErrorOf(end));
  if (once && began) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, ": the daemon ended the stream early"));
}

}  // namespace

void DeclareWatch(CLI::App& app, Arguments& arguments) {
  WatchSocketsRequest& request = arguments.watch_sockets;
  AddDurationFlag(app, "--interval", "Time between samples, 100ms to 1h [1s]",
                  [&request](absl::Duration interval) {
                    request.mutable_sample_interval()->set_seconds(
                        absl::IDivDuration(interval, absl::Seconds(1), &interval));
                    request.mutable_sample_interval()->set_nanos(
                        static_cast<int32_t>(absl::ToInt64Nanoseconds(interval)));
                  });
  CLI::Option* once = app.add_flag_callback(
      "--once", [&request] { request.set_mode(WatchSocketsRequest::ONCE); },
      "One sample and the end");
  app.add_option("--count", arguments.sample_count, "End after so many samples")
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->excludes(once);
  app.add_option_function<std::string>(
         "--filter", [&request](const std::string& filter) { request.set_filter(filter); },
         "Which sockets, e.g. 'role = CONNECTION AND listener = web'")
      ->type_name("EXPR");
  app.add_flag_callback(
      "--suppress", [&request] { request.set_suppress_redundant(true); },
      "Leave out sockets of which nothing changed");
}

absl::Status RunWatch(const Arguments& arguments, AdminConnection& connection, Output& output) {
  const WatchSocketsRequest& request = arguments.watch_sockets;
  grpc::ClientContext context;
  StreamGuard guard(context, output.fd(), arguments.timeout);
  v1::AdminService::Stub stub(connection.channel());
  const auto stream = stub.WatchSockets(&context, request);
  WatchDisplay display(arguments, output);
  v1::WatchSocketsResponse message;
  absl::Status shown;
  bool enough = false;
  while (shown.ok() && !enough && stream->Read(&message)) {
    guard.FirstMessageArrived();
    shown = display.Show(message);
    enough = arguments.sample_count > 0 && display.complete_samples() >= arguments.sample_count;
  }
  if (!shown.ok() || enough) {
    context.TryCancel();
    stream->Finish();
    return shown;
  }
  const grpc::Status end = stream->Finish();
  const bool once = request.mode() == WatchSocketsRequest::ONCE;
  return StatusOfEnd(end, guard.cause(), once, display, connection);
}

}  // namespace sockhost::client
