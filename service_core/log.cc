#include "log.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "monotonic_clock.h"
#include "sockhost/last_words.h"

namespace sockhost {
namespace {

void WriteToStandardError(LogLevel level, absl::string_view message, LogFields fields) {
  constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  std::fprintf(stderr, "sockhost: %s: %s\n", kNames[static_cast<int>(level)],
               LogText(message, fields).c_str());
}

std::atomic<LogSink> sink{WriteToStandardError};

bool NeedsQuotes(absl::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) || c == '"' || c == '=') return true;
  }
  return false;
}

std::atomic<bool> abort_is_logged{false};

// Who logs is in the middle of something that must not stop there.
void WriteLine(LogLevel level, absl::string_view message, LogFields fields) {
  // The line that says why is the last one.
  if (abort_is_logged.load(std::memory_order_relaxed)) return;
  try {
    sink.load()(level, message, fields);
  } catch (const std::bad_alloc&) {
    // No memory for the line.
  }
}

// Lines of the core have fewer: adding one allocates nothing.
constexpr size_t kInlinedFields = 8;

// What a log that writes on a thread of its own gets before the process is aborted.
constexpr std::chrono::milliseconds kLogTime{100};

}  // namespace

bool AbortIsLogged() { return abort_is_logged.load(std::memory_order_relaxed); }

void AbortOnceLogged() {
  abort_is_logged = true;
  std::this_thread::sleep_for(kLogTime);
  std::abort();
}

void SetLogSink(LogSink new_sink) { sink = new_sink ? new_sink : WriteToStandardError; }

std::string LogText(absl::string_view message, LogFields fields) {
  std::string out(message);
  for (char& c : out) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  for (const LogField& field : fields) {
    absl::StrAppend(&out, " ", field.key, "=");
    if (const auto* number = std::get_if<int64_t>(&field.value)) {
      absl::StrAppend(&out, *number);
      continue;
    }
    const absl::string_view text = std::get<absl::string_view>(field.value);
    if (NeedsQuotes(text)) {
      absl::StrAppend(&out, "\"", absl::Utf8SafeCEscape(text), "\"");
    } else {
      absl::StrAppend(&out, text);
    }
  }
  return out;
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  WriteLine(level, message, fields);
}

bool LimitedLog::IsDue() {
  if (MonotonicNanos() >= next_allowed_nanos_.load(std::memory_order_relaxed)) return true;
  suppressed_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void LimitedLog::Log(LogLevel level, absl::string_view message,
                     std::initializer_list<LogField> fields) {
  constexpr int64_t kPauseNanos = 1'000'000'000;
  const int64_t now = MonotonicNanos();
  int64_t allowed = next_allowed_nanos_.load(std::memory_order_relaxed);
  if (now < allowed || !next_allowed_nanos_.compare_exchange_strong(allowed, now + kPauseNanos)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const int64_t suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  if (suppressed == 0) return WriteLine(level, message, fields);
  absl::InlinedVector<LogField, kInlinedFields> all(fields);
  all.emplace_back("suppressed", suppressed);
  WriteLine(level, message, all);
}

}  // namespace sockhost
