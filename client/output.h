// Standard output, written without a buffer: a line that was printed can be seen.
#ifndef SOCKHOST_CLIENT_OUTPUT_H_
#define SOCKHOST_CLIENT_OUTPUT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sockhost::client {

// One thread. Does not own the fd.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}

  // Writes all of `text`, waiting as long as its reader does. CANCELLED: the
  // reader has gone (EPIPE), which is how `| head` ends; SIGPIPE must be ignored. Or it does
  // not read, and `stop_fd` is readable.
  absl::Status Write(absl::string_view text);

  // An fd, not owned, that ends the wait for the reader when it is readable; -1: none does.
  void SetStop(int stop_fd) { stop_fd_ = stop_fd; }

  bool IsTerminal() const;
  int fd() const { return fd_; }

 private:
  // False if it is time to stop instead.
  bool WaitUntilWritable() const;

  const int fd_;
  int stop_fd_ = -1;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_OUTPUT_H_
