#include "logging.h"

#include <limits.h>
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "json_string.h"

namespace sockhost {
namespace {

// Lines that wait for a slow reader.
constexpr size_t kQueueLength = 8192;

// How often a write that waits for the reader looks whether the log stops.
constexpr int kLookMs = 20;

// How long DrainLog waits, in looks of a millisecond: without a line, and in all.
constexpr int kIdleLooks = 100;
constexpr int kAllLooks = 1000;

std::atomic<bool> stopping{false};

// DrainLog has been called.
std::atomic<bool> is_drained{false};

// Lines that were given to the log's thread, and that it has dealt with.
std::atomic<uint64_t> lines_logged{0};
std::atomic<uint64_t> lines_written{0};

// Standard error. A pipe that nobody reads makes a line wait, but never keeps the
// log from stopping: each write takes no more than poll(2) says there is room for.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 private:
  static bool WaitUntilWritable() {
    pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
    while (poll(&standard_error, 1, kLookMs) == 0) {
      if (stopping) return false;
    }
    return true;
  }

  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    Write(line);
    lines_written.fetch_add(1, std::memory_order_relaxed);
  }

  static void Write(const spdlog::memory_buf_t& line) {
    for (size_t written = 0; written < line.size();) {
      if (!WaitUntilWritable()) return;
      const size_t size = std::min<size_t>(line.size() - written, PIPE_BUF);
      const ssize_t taken = write(STDERR_FILENO, line.data() + written, size);
      if (taken <= 0) return;  // the reader has gone
      written += static_cast<size_t>(taken);
    }
  }

  void flush_() override {}
};

// What a line begins with in the journal: "<6>" for info.
class JournalPriority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const char priority = message.level >= spdlog::level::err    ? '3'
                          : message.level == spdlog::level::warn ? '4'
                          : message.level == spdlog::level::info ? '6'
                                                                 : '7';
    for (const char c : {'<', priority, '>'}) out.push_back(c);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

// systemd says which file is the journal; standard error may have been redirected
// since.
bool StandardErrorIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (!stream || fstat(STDERR_FILENO, &status) != 0) return false;
  return absl::StrCat(status.st_dev, ":", status.st_ino) == stream;
}

std::string PatternOf(LogForm form) {
  constexpr char kTime[] = "%Y-%m-%dT%H:%M:%S.%fZ";
  const std::string priority = form.journal ? "%*" : "";
  if (form.json) return absl::StrCat(priority, "{\"time\":\"", kTime, "\",\"level\":\"%l\",%v}");
  return form.journal ? priority + "%v" : absl::StrCat(kTime, " %l %v");
}

std::unique_ptr<spdlog::formatter> MakeFormatter(LogForm form) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JournalPriority>('*').set_pattern(PatternOf(form));
  return formatter;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

// Constant while the log runs.
std::atomic<LogForm> form;
static_assert(std::atomic<LogForm>::is_always_lock_free);

// nullptr if lines of `level` are not written.
spdlog::logger* LoggerOf(LogLevel level) {
  // After StopLogging there is no logger any more.
  spdlog::logger* logger = spdlog::default_logger_raw();
  return logger && logger->should_log(ToSpdlog(level)) ? logger : nullptr;
}

void WriteAnyLine(LogLevel level, absl::string_view message, LogFields fields) {
  spdlog::logger* logger = LoggerOf(level);
  if (!logger) return;
  lines_logged.fetch_add(1, std::memory_order_relaxed);
  const std::string line =
      FormOfLog().json ? JsonMembers(message, fields) : LogText(message, fields);
  logger->log(ToSpdlog(level), spdlog::string_view_t(line));
}

void WriteLine(LogLevel level, absl::string_view message, LogFields fields) {
  if (!is_drained) WriteAnyLine(level, message, fields);
}

}  // namespace

void StartLogging(const std::string& level, const std::string& format) {
  spdlog::init_thread_pool(kQueueLength, 1);
  stopping = false;
  is_drained = false;
  SetLogForm(format);
  auto logger = std::make_shared<spdlog::async_logger>(
      "sockhostd", std::make_shared<StderrSink>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::from_str(level));
  logger->set_formatter(MakeFormatter(FormOfLog()));
  spdlog::set_default_logger(std::move(logger));
  SetLogSink(WriteLine);
}

void StopLogging() {
  stopping = true;
  spdlog::shutdown();
}

void SetLogForm(absl::string_view format) {
  form = LogForm{format == "json", StandardErrorIsJournal()};
}

LogForm FormOfLog() { return form.load(std::memory_order_relaxed); }

void DrainLog() {
  is_drained = true;
  constexpr timespec kLook{0, 1'000'000};
  uint64_t seen = lines_written.load(std::memory_order_relaxed);
  for (int looks = 0, idle = 0; looks < kAllLooks && idle < kIdleLooks; ++looks) {
    if (seen == lines_logged.load(std::memory_order_relaxed)) return;
    nanosleep(&kLook, nullptr);
    const uint64_t written = lines_written.load(std::memory_order_relaxed);
    idle = written == seen ? idle + 1 : 0;
    seen = written;
  }
}

void LogLastLine(LogLevel level, absl::string_view message,
                 std::initializer_list<LogField> fields) {
  // First: other threads go on.
  is_drained = true;
  WriteAnyLine(level, message, fields);
  DrainLog();
}

void SetLogLevel(const std::string& level) {
  spdlog::default_logger_raw()->set_level(spdlog::level::from_str(level));
}

bool IsLogged(LogLevel level) { return LoggerOf(level) != nullptr; }

void LogLine(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  WriteLine(level, message, fields);
}

std::string JsonMembers(absl::string_view message, LogFields fields) {
  std::string out = absl::StrCat("\"message\":", JsonString(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&out, ",", JsonString(field.key), ":");
    if (const auto* number = std::get_if<int64_t>(&field.value)) {
      absl::StrAppend(&out, *number);
    } else {
      absl::StrAppend(&out, JsonString(std::get<absl::string_view>(field.value)));
    }
  }
  return out;
}

}  // namespace sockhost
