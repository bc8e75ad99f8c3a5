#include "client/terminal_screen.h"

#include <sys/ioctl.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

// ECMA-48 control sequences.
constexpr char kReverse[] = "\033[7m";
constexpr char kPlain[] = "\033[m";
constexpr char kEraseLineEnd[] = "\033[K";
constexpr char kEraseBelow[] = "\033[J";
constexpr char kClearScreen[] = "\033[H\033[2J";

constexpr FrameSize kUnknownTerminal = {.columns = 80, .lines = 23};

void AppendLine(std::string* picture, absl::string_view line) {
  absl::StrAppend(picture, line, kEraseLineEnd, "\r\n");
}

}  // namespace

TerminalScreen::~TerminalScreen() {
  // The line of the cursor may hold the ^C that the terminal echoed.
  if (last_lines_ > 0) output_.Write(absl::StrCat("\r", kEraseLineEnd)).IgnoreError();
}

FrameSize TerminalScreen::size() const {
  winsize window = {};
  if (ioctl(output_.fd(), TIOCGWINSZ, &window) != 0 || window.ws_row < 2 || window.ws_col == 0) {
    return kUnknownTerminal;
  }
  // The cursor waits on the line below the picture.
  return {.columns = window.ws_col, .lines = static_cast<size_t>(window.ws_row) - 1};
}

absl::Status TerminalScreen::Show(const WatchFrame& frame, const FrameSize& size, bool no_headers) {
  // One write per picture: no flicker.
  std::string picture;
  const bool resized = size.columns != last_size_.columns || size.lines != last_size_.lines;
  if (last_lines_ > 0) {
    // After a resize the terminal may have wrapped our lines: their number is unknown.
    absl::StrAppend(&picture, resized ? kClearScreen : absl::StrCat("\r\033[", last_lines_, "A"));
  }
  if (!no_headers) {
    for (const std::string& line : frame.summary) AppendLine(&picture, line);
    AppendLine(&picture, absl::StrCat(kReverse, frame.titles, kPlain));
  }
  for (const std::string& row : frame.rows) AppendLine(&picture, row);
  absl::StrAppend(&picture, kEraseBelow);
  last_lines_ = frame.rows.size() + (no_headers ? 0 : frame.summary.size() + 1);
  last_size_ = size;
  return output_.Write(picture);
}

}  // namespace sockhost::client
