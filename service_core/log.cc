#include "log.h"

#include <atomic>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "monotonic_clock.h"

namespace sockhost {
namespace {

void WriteToStandardError(LogLevel level, absl::string_view message) {
  constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  std::fprintf(stderr, "sockhost: %s: %.*s\n", kNames[static_cast<int>(level)],
               static_cast<int>(message.size()), message.data());
}

std::atomic<LogSink> sink{WriteToStandardError};

}  // namespace

void SetLogSink(LogSink new_sink) { sink = new_sink ? new_sink : WriteToStandardError; }

void Log(LogLevel level, absl::string_view message) { sink.load()(level, message); }

void LimitedLog::Log(LogLevel level, absl::string_view message) {
  constexpr int64_t kPauseNanos = 1'000'000'000;
  const int64_t now = MonotonicNanos();
  int64_t allowed = next_allowed_nanos_.load(std::memory_order_relaxed);
  if (now < allowed || !next_allowed_nanos_.compare_exchange_strong(allowed, now + kPauseNanos)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const int64_t suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  if (suppressed == 0) return sockhost::Log(level, message);
  sockhost::Log(level, absl::StrCat(message, " (", suppressed, " more like this left out)"));
}

}  // namespace sockhost
