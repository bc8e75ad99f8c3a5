// A terminal on which a picture is repainted in place.
#ifndef SOCKHOST_CLIENT_TERMINAL_SCREEN_H_
#define SOCKHOST_CLIENT_TERMINAL_SCREEN_H_

#include <cstddef>

#include "absl/status/status.h"
#include "client/output.h"
#include "client/watch_frame.h"

namespace sockhost::client {

// The first picture begins where the cursor is, each later one replaces the one
// before, the last one stays. The cursor rests below the picture: no state of the
// terminal is changed, so that nothing needs to be restored after Ctrl-Z or a
// SIGKILL. One thread.
class TerminalScreen {
 public:
  // Not owned; a terminal, and nothing else is printed on it meanwhile.
  explicit TerminalScreen(Output& output) : output_(output) {}
  ~TerminalScreen();

  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;

  // The largest picture that the terminal can hold now.
  FrameSize size() const;

  // Shows `frame`, drawn for `size`, titles in reverse video.
  absl::Status Show(const WatchFrame& frame, const FrameSize& size, bool no_headers);

 private:
  Output& output_;
  FrameSize last_size_;
  size_t last_lines_ = 0;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_TERMINAL_SCREEN_H_
