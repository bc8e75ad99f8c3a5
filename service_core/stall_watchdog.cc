#include "stall_watchdog.h"

#include <execinfo.h>
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "monotonic_clock.h"

namespace sockhost {
namespace {

constexpr int kMaxFrames = 32;
// Looks without a handler call after which the service thread counts as idle.
constexpr int kBusyLooks = 20;

constexpr int64_t kBacktraceIntervalNanos = 12'000'000'000;  // 5 a minute

// The backtrace of the service thread: a signal handler running on that thread
// is the only way to take it. One at a time, asked for by the one watchdog.
struct {
  void* frames[kMaxFrames];
  std::atomic<int> count{0};
} captured;

// backtrace(3) may allocate the first time, when it loads libgcc; Prepare calls
// it once outside the signal handler.
void CaptureFrames(int) {
  const int saved = errno;
  captured.count.store(backtrace(captured.frames, kMaxFrames), std::memory_order_release);
  errno = saved;
}

// A real-time signal: nobody else's default, and queued apart from the standard
// ones.
int CaptureSignal() { return SIGRTMIN + 3; }

void Prepare() {
  void* unused[1];
  backtrace(unused, 1);
  struct sigaction action {};
  action.sa_handler = CaptureFrames;
  action.sa_flags = SA_RESTART;
  sigaction(CaptureSignal(), &action, nullptr);
}

std::string BacktraceOf(pthread_t thread) {
  captured.count.store(0, std::memory_order_relaxed);
  if (pthread_kill(thread, CaptureSignal()) != 0) return "";
  for (int i = 0; i < 100 && captured.count.load(std::memory_order_acquire) == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  const int count = captured.count.load(std::memory_order_acquire);
  if (count == 0) return "none: the thread sleeps in the kernel";
  std::string out;
  char** symbols = backtrace_symbols(captured.frames, count);
  // The first two frames are the signal's own.
  for (int i = 2; symbols && i < count; ++i) {
    absl::StrAppend(&out, out.empty() ? "" : " < ", symbols[i]);
  }
  std::free(symbols);
  return out;
}

}  // namespace

StallWatchdog::StallWatchdog(ServiceLoop& loop, const ServiceRegistry& registry)
    : loop_(loop), registry_(registry) {
  Prepare();
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "watchdog");
}

StallWatchdog::~StallWatchdog() { Stop(); }

void StallWatchdog::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
  stalled_ms_.store(0, std::memory_order_relaxed);
}

void StallWatchdog::Run() {
  while (true) {
    const int wait_ms = idle_looks_ < kBusyLooks ? kLookIntervalMs : kStallMs;
    {
      MutexLock lock(mutex_);
      if (stop_) return;
      wake_.wait_for(mutex_, std::chrono::milliseconds(wait_ms));
      if (stop_) return;
    }
    Look(wait_ms);
  }
}

void StallWatchdog::Look(int waited_ms) {
  const uint64_t call = loop_.call_number();
  const bool same = call == seen_call_;
  seen_call_ = call;
  const bool in_handler = call % 2 == 1;
  idle_looks_ = same && !in_handler ? idle_looks_ + 1 : 0;
  if (!same || !in_handler) {
    if (IsStalled()) Record(HostEventKind::kServiceRecovered);
    stalled_ms_.store(0, std::memory_order_relaxed);
    return;
  }
  const int64_t before = stalled_ms_.load(std::memory_order_relaxed);
  const int64_t lasted = before + waited_ms;
  stalled_ms_.store(lasted, std::memory_order_relaxed);
  if (before < kUnhealthyMs && lasted >= kUnhealthyMs) {
    stalled_service_ = NameOfCalled();
    Record(HostEventKind::kServiceStalled);
  }
  if (lasted < kStallMs) return;
  const int64_t nanos = lasted * 1'000'000;
  if (max_stall_nanos_.load(std::memory_order_relaxed) < nanos) {
    max_stall_nanos_.store(nanos, std::memory_order_relaxed);
  }
  if (before >= kStallMs) return;  // counted and reported already
  stalls_.fetch_add(1, std::memory_order_relaxed);
  Report(DescribeService());
}

std::shared_ptr<const std::string> StallWatchdog::NameOfCalled() const {
  const Service* called = loop_.call_service();
  for (const std::shared_ptr<Service>& service : registry_.List()) {
    if (service.get() == called) return service->name;
  }
  return nullptr;
}

void StallWatchdog::Record(HostEventKind kind) {
  EventRing* events = loop_.table().events();
  if (!events) return;
  HostEvent event;
  event.kind = kind;
  event.service = stalled_service_;
  events->Add(std::move(event));
}

// By comparing: the service that the loop names may be gone by now.
std::string StallWatchdog::DescribeService() const {
  const Service* called = loop_.call_service();
  for (const std::shared_ptr<Service>& service : registry_.List()) {
    if (service.get() == called) return absl::StrCat(*service->name, " (", service->owner, ")");
  }
  return "that was undefined";
}

void StallWatchdog::Report(const std::string& service) {
  {
    MutexLock lock(mutex_);
    service_ = service;
  }
  const int64_t now = MonotonicNanos();
  if (now < next_backtrace_nanos_) return;
  next_backtrace_nanos_ = now + kBacktraceIntervalNanos;
  Log(LogLevel::kWarning, "a handler does not return; every other service waits",
      {{"service", service},
       {"for_ms", kStallMs},
       {"backtrace", BacktraceOf(loop_.native_handle())}});
}

std::string StallWatchdog::StalledService() const {
  if (!IsStalled()) return "";
  MutexLock lock(mutex_);
  return service_;
}

}  // namespace sockhost
