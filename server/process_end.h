// How sockhostd ends.
#ifndef SOCKHOST_SERVER_PROCESS_END_H_
#define SOCKHOST_SERVER_PROCESS_END_H_

#include "absl/strings/string_view.h"

namespace sockhost {

// Writes to standard error why the process ends, behind what the log has: "sockhostd: WHY",
// or a line of the log where that is JSON (SetLogForm). The log takes no more lines then. A reader
// that is blocked loses it, and keeps nobody waiting. Any thread.
void SayLastWords(absl::string_view why);

// Flushes stdio and ends the process. Nothing static is destroyed: threads of modules go on
// and use it. Where AddressSanitizer looks for leaks, it does so here. Any thread.
[[noreturn]] void EndProcess(int code);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PROCESS_END_H_
