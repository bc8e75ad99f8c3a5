// What applications print: LOG_*, printk, failed assertions.
//
// Nothing here changes errno, whatever becomes of the text: Zephyr's code logs first
// and looks at errno afterwards.
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "keep_errno.h"
#include "log.h"

namespace {

// A longer message is cut: applications print what comes from the network.
constexpr size_t kMessageSize = 1024;
constexpr size_t kHexdumpLine = 16;
constexpr int64_t kRatePeriodMs = 1000;

sockhost::LogLevel LevelOf(int level) {
  switch (level) {
    case LOG_LEVEL_ERR:
      return sockhost::LogLevel::kError;
    case LOG_LEVEL_WRN:
      return sockhost::LogLevel::kWarning;
    case LOG_LEVEL_INF:
      return sockhost::LogLevel::kInfo;
    default:
      return sockhost::LogLevel::kDebug;
  }
}

// One line, whatever the message holds: a peer must not be able to forge lines.
void LogLine(int level, const char* module, const char* message) {
  std::string line = absl::StrCat(module, ": ", message);
  while (line.back() == '\n' || line.back() == '\r') line.pop_back();
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  sockhost::Log(LevelOf(level), line);
}

// "48 65 6c 6c 6f |Hello".
std::string DumpLine(const unsigned char* data, size_t length) {
  std::string hex;
  std::string text;
  for (size_t i = 0; i < length; ++i) {
    absl::StrAppendFormat(&hex, "%02x ", data[i]);
    text += data[i] >= ' ' && data[i] < 0x7f ? static_cast<char>(data[i]) : '.';
  }
  return absl::StrFormat("%-*s|%s", static_cast<int>(kHexdumpLine * 3), hex, text);
}

}  // namespace

extern "C" {

void sockhost_log(int level, const char* module, const char* format, ...) {
  const sockhost::KeepErrno kept;
  char message[kMessageSize];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  LogLine(level, module, message);
}

void sockhost_log_hexdump(int level, const char* module, const void* data, size_t length,
                          const char* text) {
  const sockhost::KeepErrno kept;
  LogLine(level, module, text);
  const unsigned char* const bytes = static_cast<const unsigned char*>(data);
  for (size_t at = 0; at < length; at += kHexdumpLine) {
    LogLine(level, module, DumpLine(bytes + at, MIN(kHexdumpLine, length - at)).c_str());
  }
}

bool sockhost_log_is_due(int64_t* last) {
  // 0 is "never", so a time is at least 1.
  const int64_t now = k_uptime_get() + 1;
  int64_t before = __atomic_load_n(last, __ATOMIC_RELAXED);
  if (before != 0 && now - before < kRatePeriodMs) return false;
  return __atomic_compare_exchange_n(last, &before, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void vprintk(const char* format, va_list arguments) {
  const sockhost::KeepErrno kept;
  std::vfprintf(stdout, format, arguments);
  std::fflush(stdout);
}

void printk(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintk(format, arguments);
  va_end(arguments);
}

int vsnprintk(char* buffer, size_t size, const char* format, va_list arguments) {
  return std::vsnprintf(buffer, size, format, arguments);
}

int snprintk(char* buffer, size_t size, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintk(buffer, size, format, arguments);
  va_end(arguments);
  return length;
}

void sockhost_panic(const char* what, const char* file, int line) {
  sockhost::Log(sockhost::LogLevel::kError, absl::StrCat(what, ": called at ", file, ":", line));
  std::abort();
}

void sockhost_assert_failed(const char* condition, const char* file, int line, const char* format,
                            ...) {
  char message[kMessageSize];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  sockhost::Log(sockhost::LogLevel::kError,
                absl::StrCat("assertion failed: ", condition, " at ", file, ":", line, message));
  std::abort();
}

}  // extern "C"
