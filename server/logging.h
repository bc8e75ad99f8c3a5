// The log of sockhostd: lines on standard error.
#ifndef SOCKHOST_SERVER_LOGGING_H_
#define SOCKHOST_SERVER_LOGGING_H_

#include <string>

#include "absl/strings/string_view.h"
#include "sockhost/log_sink.h"

namespace sockhost {

// Starts the log: lines of `level` ("debug", "info", "warning", "error") and
// above. Lines are written by a thread of their own; when the reader of standard
// error is blocked, the oldest lines are dropped rather than anybody waits. Once,
// before other threads.
void StartLogging(const std::string& level);

// Writes what waits, unless the reader is blocked.
void StopLogging();

// Any thread, never waits.
void LogLine(LogLevel level, absl::string_view message);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LOGGING_H_
