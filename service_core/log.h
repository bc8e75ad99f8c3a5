// Log lines of the core. The core writes none itself: it hands each line to the
// sink of the program that embeds it.
#ifndef SOCKHOST_SERVICE_CORE_LOG_H_
#define SOCKHOST_SERVICE_CORE_LOG_H_

#include <atomic>
#include <cstdint>
#include <initializer_list>

#include "absl/strings/string_view.h"
#include "sockhost/log_sink.h"

namespace sockhost {

// Any thread. `message` is one line without its end. A line for which there is no memory is
// lost; nothing is thrown.
void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

// At most one line a second; the next one says how many were left out, in the
// field `suppressed`. For faults that a peer or a handler can repeat at will. Any
// thread.
class LimitedLog {
 public:
  void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});
  // False: a line would be left out now, and is counted as such. For fields that cost something.
  bool IsDue();

 private:
  std::atomic<int64_t> next_allowed_nanos_{0};
  std::atomic<int64_t> suppressed_{0};
};

// Aborts the process after a line that says why, when a log that writes on a thread of its
// own has had time for it. Any thread.
[[noreturn]] void AbortOnceLogged();

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_LOG_H_
