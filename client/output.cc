#include "client/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace sockhost::client {

absl::Status Output::Write(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      return absl::CancelledError("the reader of the output is gone");
    } else if (errno == EAGAIN) {
      // Another program made the shared terminal or pipe non-blocking.
      pollfd writable = {.fd = fd_, .events = POLLOUT, .revents = 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "cannot write the output");
    }
  }
  return absl::OkStatus();
}

bool Output::IsTerminal() const { return isatty(fd_) == 1; }

}  // namespace sockhost::client
