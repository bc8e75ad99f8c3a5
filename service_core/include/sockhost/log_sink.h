// Where the log lines of the core go.
#ifndef SOCKHOST_LOG_SINK_H_
#define SOCKHOST_LOG_SINK_H_

#include "absl/strings/string_view.h"

namespace sockhost {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Called on the thread that logs, the service thread too: must not block, must
// not call back into sockhost. `message` is valid during the call.
using LogSink = void (*)(LogLevel level, absl::string_view message);

// Replaces the sink; any thread. Without one, lines go to standard error.
void SetLogSink(LogSink sink);

}  // namespace sockhost

#endif  // SOCKHOST_LOG_SINK_H_
