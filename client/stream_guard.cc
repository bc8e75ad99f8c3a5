#include "client/stream_guard.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"

namespace sockhost::client {
namespace {

// poll(2) takes an int of milliseconds; -1 waits for ever.
int PollTimeout(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return -1;
  const absl::Duration left = absl::Ceil(deadline - absl::Now(), absl::Milliseconds(1));
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 0, 1'000'000'000));
}

}  // namespace

StreamGuard::StreamGuard(grpc::ClientContext& context, Output& output,
                         absl::Duration first_message_timeout)
    : context_(context),
      output_(output),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this, output_fd = output.fd(), deadline = absl::Now() + first_message_timeout] {
        Wait(output_fd, deadline);
      }) {
  output_.SetStop(stop_signal_.fd());
}

StreamGuard::~StreamGuard() {
  output_.SetStop(-1);
  stopping_ = true;
  Wake();
  thread_.join();
  close(wake_fd_);
}

void StreamGuard::FirstMessageArrived() {
  if (!first_message_arrived_.exchange(true)) Wake();
}

void StreamGuard::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void StreamGuard::Wait(int output_fd, absl::Time deadline) {
  Cause cause = Cause::kNone;
  while (cause == Cause::kNone && !stopping_) {
    pollfd fds[] = {{.fd = stop_signal_.fd(), .events = POLLIN, .revents = 0},
                    {.fd = wake_fd_, .events = POLLIN, .revents = 0},
                    {.fd = output_fd, .events = 0, .revents = 0}};
    if (poll(fds, std::size(fds), PollTimeout(deadline)) < 0) continue;
    uint64_t count;
    if (fds[1].revents != 0 && read(wake_fd_, &count, sizeof(count)) > 0 &&
        first_message_arrived_) {
      deadline = absl::InfiniteFuture();
    }
    if (fds[2].revents & POLLNVAL) output_fd = -1;  // closed by our parent: nothing to watch
    if (fds[0].revents != 0) {
      cause = Cause::kSignal;
    } else if (fds[2].revents & (POLLERR | POLLHUP)) {
      cause = Cause::kReaderGone;
    } else if (absl::Now() >= deadline) {
      cause = Cause::kTimeout;
    }
  }
  if (cause == Cause::kNone) return;
  cause_ = cause;
  context_.TryCancel();
}

}  // namespace sockhost::client
