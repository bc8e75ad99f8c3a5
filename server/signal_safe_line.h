// A log line that a signal handler can write.
#ifndef SOCKHOST_SERVER_SIGNAL_SAFE_LINE_H_
#define SOCKHOST_SERVER_SIGNAL_SAFE_LINE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "logging.h"

namespace sockhost {

// One line of level error in the form of the log, in memory of its own. What does not fit
// is left out; the line stays a whole one. Unlike in other lines, bytes that are no UTF-8
// stay as they are.
//
// Everything here is async-signal-safe.
class SignalSafeLine {
 public:
  SignalSafeLine(LogForm form, std::string_view message);

  void Add(std::string_view key, std::string_view text);
  void Add(std::string_view key, int64_t number);

  // The line with its end; nothing can be added any more.
  std::string_view Finish();

 private:
  static constexpr size_t kSize = 8192;

  void Put(std::string_view text);
  void PutTime();
  // At least `digits` digits.
  void PutNumber(uint64_t number, size_t digits = 1);
  void PutEscaped(std::string_view text);
  void PutKey(std::string_view key);

  const LogForm form_;
  size_t size_ = 0;
  char text_[kSize];
};

// Not through the log, whose thread may be what hangs. A reader that takes nothing for 100 ms loses
// the rest. Async-signal-safe. Source: pipe(7), write(2).
void WriteToStandardError(std::string_view text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SIGNAL_SAFE_LINE_H_
