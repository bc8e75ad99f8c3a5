#include "sockhost/taken_signals.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace sockhost {
namespace {

std::array<std::atomic<SignalHandler>, NSIG> handlers;
std::array<std::atomic<pthread_t>, NSIG> receivers;
std::atomic<pid_t> taker{0};

void OnSignal(int number, siginfo_t* info, void*) {
  const int saved = errno;
  if (getpid() == taker.load(std::memory_order_relaxed)) {
    signals_taken_here.fetch_add(1, std::memory_order_relaxed);
    handlers[static_cast<size_t>(number)].load()(number, SenderOf(*info));
  } else {
    signal(number, SIG_DFL);
    // Blocked until this handler returns.
    raise(number);
  }
  errno = saved;
}

void HandOn(int number, pid_t sender) {
  sigval value{};
  value.sival_int = sender;
  pthread_sigqueue(receivers[static_cast<size_t>(number)], number, value);
}

}  // namespace

constinit thread_local std::atomic<unsigned> signals_taken_here{0};

void TakeSignal(int number, SignalHandler handler) {
  taker = getpid();
  handlers[static_cast<size_t>(number)] = handler;
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  // The stack of a thread may be what is short.
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESTART | SA_ONSTACK);
  sigaction(number, &action, nullptr);
}

void HandOnSignal(int number, pthread_t thread) {
  receivers[static_cast<size_t>(number)] = thread;
  TakeSignal(number, HandOn);
}

pid_t SenderOf(const siginfo_t& signal) {
  const bool is_sent = signal.si_code <= 0 && signal.si_code != SI_TIMER;
  if (!is_sent) return 0;
  const bool is_handed_on = signal.si_code == SI_QUEUE && signal.si_pid == getpid();
  return is_handed_on ? signal.si_value.sival_int : signal.si_pid;
}

}  // namespace sockhost
