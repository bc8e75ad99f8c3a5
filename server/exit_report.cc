#include "exit_report.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "logging.h"
#include "sockhost/last_words.h"

namespace sockhost {
namespace {

std::atomic<pid_t> daemon_pid{0};
std::atomic<bool> main_has_returned{false};
std::atomic<bool> is_said{false};

void SayWhoCalledExit(int code) {
  if (const HandlerCall call = CallOfThisThread(); call.service) {
    LogLastLine(
        LogLevel::kError, "a handler has called exit(3): the process ends",
        {{"service", call.service}, {"owner", call.owner}, {"fd", call.fd}, {"code", code}});
    return;
  }
  if (const char* module = ModuleOfThisThread()) {
    LogLastLine(LogLevel::kError,
                "a module has called exit(3) while it was initialised: the process ends",
                {{"file", module}, {"code", code}});
    return;
  }
  char thread[16] = "";
  pthread_getname_np(pthread_self(), thread, sizeof(thread));
  LogLastLine(LogLevel::kError, "a thread has called exit(3): the process ends",
              {{"thread", thread}, {"code", code}});
}

// exit(3) calls it once for each time that it is registered, the last first.
void OnExit(int code, void* is_last) {
  if (getpid() != daemon_pid) {
    std::fflush(nullptr);
    _exit(code);
  }
  if (main_has_returned) return;
  if (!is_said.exchange(true)) SayWhoCalledExit(code);
  if (!is_last) return;
  // Other threads go on: what exit(3) would destroy now is in use.
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace

ExitReport::ExitReport() {
  daemon_pid = getpid();
  on_exit(OnExit, this);
}

ExitReport::~ExitReport() { main_has_returned = true; }

void ExitReport::GoFirst() { on_exit(OnExit, nullptr); }

}  // namespace sockhost
