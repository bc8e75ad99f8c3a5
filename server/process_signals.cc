#include "process_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <initializer_list>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sockhost {
namespace {

// As a shell reports a process that a signal has ended.
constexpr int kExitBySignal = 128 + SIGTERM;
constexpr int kExitByLimit = 1;

sigset_t SetOf(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

[[noreturn]] void EndProcess(std::string_view why, int code) {
  // Not through the log: its thread may be what hangs, or standard error a pipe
  // that nobody reads.
  pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
  if (poll(&standard_error, 1, 0) > 0) {
    // The result is of no use.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, why.data(), why.size());
  }
  _exit(code);
}

}  // namespace

ProcessSignals::ProcessSignals() {
  const sigset_t set = SetOf({SIGTERM, SIGINT, SIGHUP});
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  // A peer that goes away is an error of send(2), never the end of the process.
  signal(SIGPIPE, SIG_IGN);
}

ProcessSignals::~ProcessSignals() { close(fd_); }

int ProcessSignals::Take() {
  signalfd_siginfo signal;
  return read(fd_, &signal, sizeof(signal)) == sizeof(signal) ? static_cast<int>(signal.ssi_signo)
                                                              : 0;
}

void ProcessSignals::EndProcessAfter(absl::Duration limit) {
  // SIGHUP waits for ever from now on: there is nothing left to read again.
  const sigset_t set = SetOf({SIGTERM, SIGINT});
  signalfd(fd_, &set, 0);
  const int timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(limit));
  // Never joined: the process ends with it or before it. It has an fd of its own,
  // because the process may be past the destructor of this object.
  std::thread([fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0), timeout_ms] {
    pollfd signal{fd, POLLIN, 0};
    if (poll(&signal, 1, timeout_ms) > 0) {
      signalfd_siginfo sender{};
      [[maybe_unused]] const ssize_t got = read(fd, &sender, sizeof(sender));
      EndProcess(absl::StrCat("sockhostd: second signal, from process ", sender.ssi_pid,
                              ": stopped at once\n"),
                 kExitBySignal);
    }
    EndProcess("sockhostd: could not stop in time: ended\n", kExitByLimit);
  }).detach();
}

}  // namespace sockhost
