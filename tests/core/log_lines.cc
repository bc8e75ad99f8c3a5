#include "tests/core/log_lines.h"

#include <mutex>

#include "absl/strings/string_view.h"
#include "sockhost/log_sink.h"

namespace sockhost {
namespace {

// A sink carries no state of its own.
std::mutex mutex;
std::vector<std::string> captured;

void Capture(LogLevel, absl::string_view message) {
  const std::lock_guard<std::mutex> lock(mutex);
  captured.emplace_back(message);
}

}  // namespace

LogLines::LogLines() {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    captured.clear();
  }
  SetLogSink(Capture);
}

LogLines::~LogLines() { SetLogSink(nullptr); }

std::vector<std::string> LogLines::lines() const {
  const std::lock_guard<std::mutex> lock(mutex);
  return captured;
}

}  // namespace sockhost
