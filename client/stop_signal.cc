#include "client/stop_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace sockhost::client {
namespace {

// A signal handler takes no argument of ours: the one global that it needs.
std::atomic<int> signalled_fd = -1;
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int) {
  const int saved_errno = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(signalled_fd, &one, sizeof(one));
  errno = saved_errno;
}

}  // namespace

StopSignal::StopSignal() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  signalled_fd = fd_;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &saved_[i]);
}

StopSignal::~StopSignal() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &saved_[i], nullptr);
  signalled_fd = -1;
  close(fd_);
}

}  // namespace sockhost::client
