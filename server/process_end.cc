#include "process_end.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "logging.h"
#include "signal_safe_line.h"

// Of the sanitizer, where there is one: otherwise it would look at exit(3).
extern "C" __attribute__((weak)) void __lsan_do_leak_check();

namespace sockhost {
namespace {

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
