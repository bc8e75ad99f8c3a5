#include "client/watch_verb.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/duration_flag.h"
#include "client/list_flags.h"
#include "client/number_flag.h"
#include "client/stream_end.h"
#include "client/stream_guard.h"
#include "client/switch_flag.h"
#include "client/watch_display.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

using v1::WatchSocketsRequest;

// Adds what a person in front of the screen expects and did not say.
WatchSocketsRequest RequestOf(const Arguments& arguments) {
  WatchSocketsRequest request = arguments.watch_sockets;
  const bool on_change = request.trigger() == WatchSocketsRequest::ON_CHANGE;
  if (!request.has_sample_interval() && !on_change) {
    request.mutable_sample_interval()->set_seconds(1);
  }
  // Rates go to zero when nothing happens: the picture must be told. So must who
  // counts, or would wait for ever.
  const bool can_be_silent = on_change || request.suppress_redundant();
  const bool must_hear = arguments.output == OutputFormat::kTable || arguments.sample_count > 0;
  if (must_hear && can_be_silent && !request.has_heartbeat_interval()) {
    request.mutable_heartbeat_interval()->set_seconds(1);
  }
  return request;
}

}  // namespace

void DeclareWatch(CLI::App& app, Arguments& arguments) {
  WatchSocketsRequest& request = arguments.watch_sockets;
  AddDurationFlag(app, "--interval",
                  "Time between samples, 100ms to 1h [1s; with --on-change 100ms]",
                  [&request](absl::Duration interval) {
                    SetDuration(interval, *request.mutable_sample_interval());
                  });
  CLI::Option* once = AddSwitch(app, "--once", "One sample and the end", [&request](bool on) {
    request.set_mode(on ? WatchSocketsRequest::ONCE : WatchSocketsRequest::STREAM);
  });
  AddNumberFlag(app, "--count",
                "End after so many samples; one in which nothing changed counts as well: with "
                "--suppress and --on-change a heartbeat, each second unless --heartbeat is given",
                kAnyCount, [&arguments](int64_t n) { arguments.sample_count = n; })
      ->excludes(once);
  app.add_option_function<std::string>(
         "--filter", [&request](const std::string& filter) { request.set_filter(filter); },
         absl::StrCat("Which sockets, e.g. '", kSocketFilter, "'"))
      ->type_name("EXPR");
  app.add_option_function<std::vector<std::string>>(
         "--fields",
         [&request](const std::vector<std::string>& paths) {
           for (const std::string& path : paths) request.mutable_read_mask()->add_paths(path);
         },
         "Only these fields of the sockets, e.g. counters.receive_bytes,fd")
      ->delimiter(',')
      ->type_name("FIELDS");
  AddSwitch(app, "--suppress", "Leave out sockets of which nothing changed",
            [&request](bool on) { request.set_suppress_redundant(on); });
  AddSwitch(
      app, "--on-change", "Send sockets when they change, instead of samples", [&request](bool on) {
        request.set_trigger(on ? WatchSocketsRequest::ON_CHANGE : WatchSocketsRequest::SAMPLE);
      });
  AddSwitch(app, "--updates-only", "Leave out the initial set",
            [&request](bool on) { request.set_updates_only(on); });
  AddDurationFlag(app, "--heartbeat",
                  "A sign of life after so long without a change, 100ms to 1h [never]",
                  [&request](absl::Duration interval) {
                    SetDuration(interval, *request.mutable_heartbeat_interval());
                  });
}

absl::Status RunWatch(const Arguments& arguments, AdminConnection& connection, Output& output) {
  const WatchSocketsRequest request = RequestOf(arguments);
  grpc::ClientContext context;
  StreamGuard guard(context, output, arguments.timeout);
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
  return StatusOfEnd({end, guard.cause(), display.complete_samples() > 0, once}, "sockets",
                     connection);
}

}  // namespace sockhost::client
