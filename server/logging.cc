#include "logging.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace sockhost {
namespace {

// Lines that wait for a slow reader.
constexpr size_t kQueueLength = 8192;

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
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::async_logger>(
      "sockhostd", std::move(sink), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::from_str(level));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  SetLogSink(LogLine);
}

void StopLogging() { spdlog::shutdown(); }

void LogLine(LogLevel level, absl::string_view message) {
  // After StopLogging there is no logger any more.
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (logger) logger->log(ToSpdlog(level), "{}", std::string(message));
}

}  // namespace sockhost
