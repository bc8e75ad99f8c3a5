#include "client/watch_display.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/display_text.h"
#include "client/read_mask.h"
#include "client/watch_frame.h"

namespace sockhost::client {
namespace {

bool CanRepaint(const Arguments& arguments, const Output& output) {
  const char* terminal = getenv("TERM");
  const bool dumb = terminal == nullptr || absl::string_view(terminal) == "dumb";
  return arguments.output == OutputFormat::kTable && !dumb && output.IsTerminal() &&
         arguments.watch_sockets.mode() != v1::WatchSocketsRequest::ONCE;
}

}  // namespace

WatchDisplay::WatchDisplay(const Arguments& arguments, Output& output)
    : arguments_(arguments),
      output_(output),
      left_out_(LeftOutBy(arguments.watch_sockets.read_mask())) {
  if (CanRepaint(arguments, output)) screen_.emplace(output);
}

absl::Status WatchDisplay::Show(const v1::WatchSocketsResponse& message) {
  const absl::StatusOr<bool> complete = samples_.Add(message);
  if (!complete.ok()) return complete.status();
  switch (arguments_.output) {
    case OutputFormat::kJson:
      return WriteJson(message, JsonLayout::kOneLine, output_, left_out_);
    case OutputFormat::kName:
      return ShowNames(message);
    case OutputFormat::kTable:
      break;
  }
  return *complete ? ShowSample() : absl::OkStatus();
}

absl::Status WatchDisplay::ShowNames(const v1::WatchSocketsResponse& message) {
  std::string names;
  for (const v1::Socket& socket : message.sockets()) {
    absl::StrAppend(&names, Printable(socket.name()), "\n");
  }
  return output_.Write(names);
}

absl::Status WatchDisplay::ShowSample() {
  const google::protobuf::FieldMask& mask = arguments_.watch_sockets.read_mask();
  if (screen_.has_value()) {
    const FrameSize size = screen_->size();
    return screen_->Show(DrawFrame(samples_, size, absl::LocalTimeZone(), mask), size,
                         arguments_.no_headers);
  }
  const WatchFrame frame = DrawFrame(samples_, FrameSize(), absl::LocalTimeZone(), mask);
  std::string block = samples_.complete_samples() > 1 ? "\n" : "";
  if (!arguments_.no_headers) {
    for (const std::string& line : frame.summary) absl::StrAppend(&block, line, "\n");
    absl::StrAppend(&block, frame.titles, "\n");
  }
  for (const std::string& row : frame.rows) absl::StrAppend(&block, row, "\n");
  return output_.Write(block);
}

}  // namespace sockhost::client
