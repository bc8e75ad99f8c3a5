#include "logging.h"

#include <limits.h>
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

namespace sockhost {
namespace {

// Lines that wait for a slow reader.
constexpr size_t kQueueLength = 8192;

// How often a write that waits for the reader looks whether the log stops.
constexpr int kLookMs = 20;

std::atomic<bool> stopping{false};

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

}  // namespace

void StartLogging(const std::string& level) {
  spdlog::init_thread_pool(kQueueLength, 1);
  stopping = false;
  auto logger = std::make_shared<spdlog::async_logger>(
      "sockhostd", std::make_shared<StderrSink>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::from_str(level));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(std::move(logger));
  SetLogSink(LogLine);
}

void StopLogging() {
  stopping = true;
  spdlog::shutdown();
}

void LogLine(LogLevel level, absl::string_view message) {
  // After StopLogging there is no logger any more.
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (logger) logger->log(ToSpdlog(level), "{}", std::string(message));
}

}  // namespace sockhost
