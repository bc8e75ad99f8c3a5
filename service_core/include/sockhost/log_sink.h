// Where the log lines of the core go.
#ifndef SOCKHOST_LOG_SINK_H_
#define SOCKHOST_LOG_SINK_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace sockhost {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One fact of a line: {"listener", name}, {"fd", 7}. Keys are lower case words
// with '_'. Refers to the text; as long-lived as the call that it is passed to.
struct LogField {
  template <std::integral T>
  LogField(absl::string_view name, T number) : key(name), value(static_cast<int64_t>(number)) {}
  LogField(absl::string_view name, absl::string_view text) : key(name), value(text) {}

  absl::string_view key;
  std::variant<int64_t, absl::string_view> value;
};
using LogFields = absl::Span<const LogField>;

// Called on the thread that logs, the service thread too: must not block, must
// not call back into sockhost. `message` says what happened, the fields to what;
// both are valid during the call.
using LogSink = void (*)(LogLevel level, absl::string_view message, LogFields fields);

// Replaces the sink; any thread. Without one, lines go to standard error.
void SetLogSink(LogSink sink);

// `message key=value key="two words"`: one line for people, for sinks that have
// no other form. A text of a peer cannot forge a line or a field.
std::string LogText(absl::string_view message, LogFields fields);

}  // namespace sockhost

#endif  // SOCKHOST_LOG_SINK_H_
