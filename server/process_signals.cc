#include "process_signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "monotonic_time.h"
#include "process_end.h"
#include "sockhost/taken_signals.h"

namespace sockhost {
namespace {

// As a shell reports a process that a signal has ended.
constexpr int kExitBySignal = 128 + SIGTERM;
constexpr int kExitByLimit = 1;
// sigtimedwait(2) has no time that means for ever.
constexpr absl::Duration kLongestWait = absl::Hours(1);

constexpr std::array kTaken = {SIGTERM, SIGINT, SIGHUP};

sigset_t TakenSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kTaken) sigaddset(&set, number);
  return set;
}

int64_t NanosAfter(absl::Duration limit) {
  return absl::ToInt64Nanoseconds(MonotonicTime() + limit);
}

}  // namespace

class ProcessSignals::Guard {
 public:
  void Start() {
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &set_, &before);
    std::thread thread([this] { Loop(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    thread_ = thread.native_handle();
    pthread_setname_np(thread_, "signals");
    thread.detach();
    for (const int number : kTaken) HandOnSignal(number, thread_);
  }

  void BeginToServe(absl::Duration stop_limit) {
    stop_limit_ = stop_limit;
    phase_ = Phase::kServing;
  }

  void EndProcessAfter(absl::Duration limit) {
    end_nanos_ = NanosAfter(limit);
    // It waits for a later time. To whom it does not concern, SIGHUP means nothing any more.
    pthread_kill(thread_, SIGHUP);
  }

  int fd() const { return fd_; }

  int Take() {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof(count));
    if (const int number = stop_signal_.exchange(0)) return number;
    return hangup_.exchange(false) ? SIGHUP : 0;
  }

 private:
  enum class Phase { kStarting, kServing, kStopping };

  [[noreturn]] void Loop() {
    while (true) {
      siginfo_t signal;
      const int number = Wait(signal);
      if (number == SIGHUP) TakeHangup();
      if (number == SIGTERM || number == SIGINT) TakeStop(signal);
      if (absl::ToInt64Nanoseconds(MonotonicTime()) >= end_nanos_) {
        SayLastWords("could not stop in time: ended");
        _exit(kExitByLimit);
      }
    }
  }

  // -1 if none came for a while.
  int Wait(siginfo_t& signal) const {
    const absl::Duration left = absl::Nanoseconds(end_nanos_.load()) - MonotonicTime();
    const timespec timeout = absl::ToTimespec(std::clamp(left, absl::ZeroDuration(), kLongestWait));
    return sigtimedwait(&set_, &signal, &timeout);
  }

  void TakeHangup() {
    if (phase_ == Phase::kStopping) return;
    hangup_ = true;
    Wake();
  }

  void TakeStop(const siginfo_t& signal) {
    if (phase_ != Phase::kServing) {
      SayLastWords(absl::StrCat(phase_ == Phase::kStarting ? "a signal" : "second signal",
                                ", from process ", SenderOf(signal), ": stopped at once"));
      _exit(kExitBySignal);
    }
    phase_ = Phase::kStopping;
    end_nanos_ = NanosAfter(stop_limit_);
    stop_signal_ = signal.si_signo;
    Wake();
  }

  void Wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
  }

  const sigset_t set_ = TakenSignals();
  const int fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_t thread_{};
  std::atomic<Phase> phase_{Phase::kStarting};
  // Constant while it serves.
  absl::Duration stop_limit_;
  // When the process ends at the latest, on the monotonic clock.
  std::atomic<int64_t> end_nanos_{std::numeric_limits<int64_t>::max()};
  // What Take returns next; 0: none.
  std::atomic<int> stop_signal_{0};
  std::atomic<bool> hangup_{false};
};

ProcessSignals::ProcessSignals() : guard_(*new Guard) {
  // A peer that goes away is an error of send(2), never the end of the process.
  TakeSignal(SIGPIPE, [](int, pid_t) {});
  // So is a file that may not grow further (RLIMIT_FSIZE) one of write(2).
  TakeSignal(SIGXFSZ, [](int, pid_t) {});
  guard_.Start();
}

void ProcessSignals::BeginToServe(absl::Duration stop_limit) { guard_.BeginToServe(stop_limit); }

int ProcessSignals::fd() const { return guard_.fd(); }

int ProcessSignals::Take() { return guard_.Take(); }

void ProcessSignals::EndProcessAfter(absl::Duration limit) { guard_.EndProcessAfter(limit); }

}  // namespace sockhost
