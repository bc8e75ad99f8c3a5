#include "health_report.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "logging.h"
#include "monotonic_time.h"

namespace sockhost {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(50);

}  // namespace

void HealthReport::Start() {
  manager_.Send("READY=1\nSTATUS=serving");
  tasks_.RunAfter(kLookInterval, [this] { Look(); });
}

void HealthReport::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  server_.SetServing(false);
  manager_.Send("STOPPING=1\nSTATUS=draining");
}

void HealthReport::Look() {
  const bool serving = !host_.IsStalled();
  {
    absl::MutexLock lock(&mutex_);
    if (serving != serving_) Tell(serving);
  }
  const absl::Duration now = MonotonicTime();
  const std::optional<absl::Duration> interval = manager_.watchdog_interval();
  if (serving && interval && now - ping_time_ >= *interval) {
    manager_.Send("WATCHDOG=1");
    ping_time_ = now;
  }
  tasks_.RunAfter(kLookInterval, [this] { Look(); });
}

void HealthReport::Tell(bool serving) {
  serving_ = serving;
  if (stopping_) return;
  server_.SetServing(serving);
  if (serving) {
    LogLine(LogLevel::kInfo, "the service thread is back: SERVING");
    manager_.Send("STATUS=serving");
    return;
  }
  // Empty if the handler has returned since.
  const StalledHandler handler = host_.Stalled();
  LogLine(LogLevel::kError, "a handler holds the service thread: NOT_SERVING",
          {{"service", handler.service}, {"owner", handler.owner}});
  manager_.Send(absl::StrCat("STATUS=service ", handler.service, " holds the service thread"));
}

}  // namespace sockhost
