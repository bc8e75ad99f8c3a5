// The log of sockhostd: lines on standard error.
#ifndef SOCKHOST_SERVER_LOGGING_H_
#define SOCKHOST_SERVER_LOGGING_H_

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "sockhost/log_sink.h"

namespace sockhost {

// Starts the log: lines of `level` ("debug", "info", "warning", "error") and
// above. `format` is "text": `TIME LEVEL MESSAGE KEY=VALUE...`, or "json": one
// object for each line with time, level, message and the fields. Where standard
// error is the journal, lines begin with the level as sd-daemon(3) has it, and
// texts leave out what the journal knows by itself.
//
// Lines are written by a thread of their own; when the reader of standard error
// is blocked, the oldest lines are dropped rather than anybody waits. Once,
// before other threads.
void StartLogging(const std::string& level, const std::string& format);

// Writes what waits, unless the reader is blocked.
void StopLogging();

// How lines look.
struct LogForm {
  bool json = false;
  // They begin with their priority.
  bool journal = false;
};

// What StartLogging begins with. Before it, for those who write to standard error themselves;
// `format` as there.
void SetLogForm(absl::string_view format);

// As set last. Async-signal-safe.
LogForm FormOfLog();

// Takes no more lines, so that what the caller has to say is the last one, and waits until
// those that were taken are written, or none has been for 100 ms: the reader is blocked, or
// lines were dropped. Async-signal-safe.
void DrainLog();

// Any thread.
void SetLogLevel(const std::string& level);

// Any thread: as LogLine, with the last line that the log takes, and DrainLog.
void LogLastLine(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields);

// Any thread: whether lines of `level` are written.
bool IsLogged(LogLevel level);

// Any thread, never waits. The message says what happened, the fields to what.
void LogLine(LogLevel level, absl::string_view message,
             std::initializer_list<LogField> fields = {});

// What `json` writes after time and level: `"message":"...","key":value...`.
std::string JsonMembers(absl::string_view message, LogFields fields);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LOGGING_H_
