#include "stall_watchdog.h"

#include <execinfo.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "monotonic_clock.h"
#include "sockhost/taken_signals.h"

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
void CaptureFrames(int, pid_t) {
  captured.count.store(backtrace(captured.frames, kMaxFrames), std::memory_order_release);
}

// A real-time signal: nobody else's default, and queued apart from the standard
// ones.
int CaptureSignal() { return SIGRTMIN + 3; }

void Prepare() {
  void* unused[1];
  backtrace(unused, 1);
  TakeSignal(CaptureSignal(), CaptureFrames);
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
  // The first three frames are the signal's own.
  for (int i = 3; symbols && i < count; ++i) {
    absl::StrAppend(&out, out.empty() ? "" : " < ", symbols[i]);
  }
  std::free(symbols);
  return out;
}

// 0 if it has ended.
int64_t CpuNanosOf(pthread_t thread) {
  clockid_t clock;
  timespec time{};
  if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

// The watchdog's thread is the only writer.
void RaiseTo(std::atomic<int64_t>& value, int64_t n) {
  if (value.load(std::memory_order_relaxed) < n) value.store(n, std::memory_order_relaxed);
}

}  // namespace

StallWatchdog::StallWatchdog(ServiceLoop& loop, const ServiceRegistry& registry,
                             bool abort_on_stall)
    : loop_(loop), registry_(registry), abort_on_stall_(abort_on_stall) {
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
    if (in_handler && abort_on_stall_) cpu_at_first_look_ = CpuNanosOf(loop_.native_handle());
    return;
  }
  const int64_t before = stalled_ms_.load(std::memory_order_relaxed);
  const int64_t lasted = before + waited_ms;
  stalled_ms_.store(lasted, std::memory_order_relaxed);
  if (lasted < kStallMs) return;
  const bool is_new = before < kStallMs;
  if (is_new) stalling_ = CalledService();
  if (is_new) stalls_.fetch_add(1, std::memory_order_relaxed);
  if (is_new && stalling_) stalling_->stalls.fetch_add(1, std::memory_order_relaxed);
  RaiseTo(max_stall_nanos_, lasted * 1'000'000);
  if (stalling_) RaiseTo(stalling_->max_stall_nanos, lasted * 1'000'000);
  if (is_new) Report();
  if (before < kUnhealthyMs && lasted >= kUnhealthyMs) Record(HostEventKind::kServiceStalled);
  if (abort_on_stall_) AbortIfItComputes();
}

void StallWatchdog::Record(HostEventKind kind) {
  EventRing* events = loop_.table().events();
  if (!events) return;
  events->Record([&] {
    HostEvent event;
    event.kind = kind;
    if (stalling_) event.service = stalling_->name;
    return event;
  });
}

// By comparing: the service that the loop names may be gone by now.
std::shared_ptr<Service> StallWatchdog::CalledService() const {
  const Service* called = loop_.call_service();
  for (const std::shared_ptr<Service>& service : registry_.List()) {
    if (service.get() == called) return service;
  }
  return nullptr;
}

StalledHandler StallWatchdog::DescribeHandler() const {
  if (!stalling_) return {};
  return {*stalling_->name, stalling_->owner};
}

void StallWatchdog::Report() {
  const StalledHandler handler = DescribeHandler();
  {
    MutexLock lock(mutex_);
    handler_ = handler;
  }
  const int64_t now = MonotonicNanos();
  if (now < next_backtrace_nanos_) return;
  next_backtrace_nanos_ = now + kBacktraceIntervalNanos;
  Log(LogLevel::kWarning, "a handler does not return; every other service waits",
      {{"service", handler.service},
       {"owner", handler.owner},
       {"for_ms", kStallMs},
       {"backtrace", BacktraceOf(loop_.native_handle())}});
}

void StallWatchdog::AbortIfItComputes() {
  const int64_t used = CpuNanosOf(loop_.native_handle()) - cpu_at_first_look_;
  if (used < kAbortCpuNanos) return;
  const StalledHandler handler = DescribeHandler();
  Log(LogLevel::kError, "one handler call has used too much CPU time; aborting, as asked for",
      {{"service", handler.service},
       {"owner", handler.owner},
       {"cpu_ms", used / 1'000'000},
       {"backtrace", BacktraceOf(loop_.native_handle())}});
  AbortOnceLogged();
}

StalledHandler StallWatchdog::Stalled() const {
  if (!IsStalled()) return {};
  MutexLock lock(mutex_);
  return handler_;
}

}  // namespace sockhost
