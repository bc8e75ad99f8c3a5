#include "tests/core/log_lines.h"

#include <mutex>

#include "absl/strings/string_view.h"
#include "sockhost/log_sink.h"

namespace sockhost {
namespace {

// A sink carries no state of its own. Never destroyed: the threads of a host log until
// the process is gone, and one that fetched the sink calls it after SetLogSink too.
struct Captured {
  std::mutex mutex;
  std::vector<std::string> lines;
};

Captured& TheCaptured() {
  static auto* captured = new Captured;
  return *captured;
}

void Capture(LogLevel, absl::string_view message, LogFields fields) {
  Captured& captured = TheCaptured();
  const std::lock_guard<std::mutex> lock(captured.mutex);
  captured.lines.push_back(LogText(message, fields));
}

}  // namespace

LogLines::LogLines() {
  {
    Captured& captured = TheCaptured();
    const std::lock_guard<std::mutex> lock(captured.mutex);
    captured.lines.clear();
  }
  SetLogSink(Capture);
}

LogLines::~LogLines() { SetLogSink(nullptr); }

std::vector<std::string> LogLines::lines() const {
  Captured& captured = TheCaptured();
  const std::lock_guard<std::mutex> lock(captured.mutex);
  return captured.lines;
}

}  // namespace sockhost
