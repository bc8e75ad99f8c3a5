#include "client/output.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

namespace sockhost::client {

absl::Status Output::Write(absl::string_view text) {
  while (!text.empty()) {
    if (stop_fd_ >= 0 && !WaitUntilWritable()) return absl::CancelledError("asked to stop");
    // What poll(2) says there is room for: a longer write would wait for the rest.
    const size_t size = stop_fd_ >= 0 ? std::min<size_t>(text.size(), PIPE_BUF) : text.size();
    const ssize_t written = write(fd_, text.data(), size);
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      return absl::CancelledError("the reader of the output is gone");
    } else if (errno == EAGAIN) {
      // Another program made the shared terminal or pipe non-blocking.
      WaitUntilWritable();
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "cannot write the output");
    }
  }
  return absl::OkStatus();
}

bool Output::WaitUntilWritable() const {
  pollfd fds[] = {{.fd = fd_, .events = POLLOUT, .revents = 0},
                  {.fd = stop_fd_, .events = POLLIN, .revents = 0}};
  while (poll(fds, std::size(fds), -1) < 0 && errno == EINTR) {
  }
  // What there is room for is still written; errors are told by write(2).
  return fds[0].revents != 0 || fds[1].revents == 0;
}

bool Output::IsTerminal() const { return isatty(fd_) == 1; }

}  // namespace sockhost::client
