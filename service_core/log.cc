#include "log.h"

#include <atomic>
#include <cstdio>
#include <new>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "monotonic_clock.h"

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

// Who logs is in the middle of something that must not stop there.
void WriteLine(LogLevel level, absl::string_view message, LogFields fields) {
  try {
    sink.load()(level, message, fields);
  } catch (const std::bad_alloc&) {
    // No memory for the line.
  }
}

// Lines of the core have fewer: adding one allocates nothing.
constexpr size_t kInlinedFields = 8;

}  // namespace

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
