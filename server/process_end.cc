#include "process_end.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "logging.h"

// Of the sanitizer, where there is one: otherwise it would look at exit(3).
extern "C" __attribute__((weak)) void __lsan_do_leak_check();

namespace sockhost {
namespace {

// What the reader of standard error gets for each part of the words.
constexpr int kReaderMs = 100;

// Not through the log: its thread may be what hangs.
void WriteToStandardError(absl::string_view text) {
  pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
  while (!text.empty() && poll(&standard_error, 1, kReaderMs) > 0) {
    const ssize_t written =
        write(STDERR_FILENO, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

std::string JsonLine(absl::string_view why) {
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  return absl::StrCat("{\"time\":\"", time, "\",\"level\":\"error\",",
                      JsonMembers("sockhostd ends", {{"error", why}}), "}\n");
}

}  // namespace

void SayLastWords(absl::string_view why) {
  DrainLog();
  const LogForm form = FormOfLog();
  WriteToStandardError(
      absl::StrCat(form.journal ? "<3>" : "",
                   form.json ? JsonLine(why) : absl::StrCat("sockhostd: ", why, "\n")));
}

void EndProcess(int code) {
  std::fflush(nullptr);
  if (__lsan_do_leak_check) __lsan_do_leak_check();
  _exit(code);
}

}  // namespace sockhost
