// main() of a program made of Zephyr sources: the order in which Zephyr starts an
// application, and what Linux asks of a process.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest_test.h>

#include <atomic>
#include <cstdio>
#include <optional>

#include "init_levels.h"
#include "kernel/thread.h"
#include "log.h"
#include "sockhost/fd_limit.h"
#include "sockhost/service_host.h"

// The application's main(), which the build renames; a C++ source's has the mangled
// name. An application that does everything in SYS_INIT functions has none.
extern "C" __attribute__((weak)) int zephyr_app_main();
__attribute__((weak)) int ZephyrAppMainOfCxx() __asm__("_Z15zephyr_app_mainv");

// Linked in with the first test.
extern "C" __attribute__((weak)) int sockhost_ztest_run(void);

namespace {

using sockhost::Log;
using sockhost::LogLevel;

using AppMain = int (*)();

AppMain FindAppMain() { return zephyr_app_main ? zephyr_app_main : ZephyrAppMainOfCxx; }

std::atomic<bool> app_main_runs{false};
std::atomic<bool> app_main_failed{false};

// The application's main() may never return, so it has a thread of its own. If it
// returns 0 the services go on, as on Zephyr; a failure ends the process.
void RunAppMain(void*, void*, void*) {
  const int result = FindAppMain()();
  app_main_runs = false;
  if (result == 0) return;
  Log(LogLevel::kError, "main() has failed", {{"result", result}});
  app_main_failed = true;
  kill(getpid(), SIGTERM);
}

void StartAppMain() {
  static k_thread thread;
  app_main_runs = true;
  if (!k_thread_create(&thread, nullptr, 0, RunAppMain, nullptr, nullptr, nullptr, 0, 0,
                       K_NO_WAIT)) {
    app_main_runs = false;
    app_main_failed = true;
    kill(getpid(), SIGTERM);
    return;
  }
  k_thread_name_set(&thread, "app_main");
}

// Before any thread starts, so that all of them inherit it.
sigset_t BlockStopSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  return stop_signals;
}

int AwaitStop(const sigset_t& stop_signals) {
  int received = 0;
  sigwait(&stop_signals, &received);
  return app_main_failed ? 1 : 0;
}

}  // namespace

int main() {
  const sigset_t stop_signals = BlockStopSignals();

  sockhost::RaiseFdLimit();
  sockhost::ServiceHost& host = sockhost::ServiceHost::OfProcess();
  const absl::Status started = host.Start({});
  if (!started.ok()) {
    std::fprintf(stderr, "sockhost: %s\n", started.ToString().c_str());
    return 1;
  }
  sockhost::RunInitLevels();
  sockhost::kernel::StartDefinedThreads();

  int exit_code = 0;
  if (sockhost_ztest_run && !FindAppMain()) {
    exit_code = sockhost_ztest_run() == 0 ? 0 : 1;
  } else {
    if (FindAppMain()) StartAppMain();
    exit_code = AwaitStop(stop_signals);
  }
  host.Stop();

  // Not through exit() while the application's threads use what that destroys.
  if (app_main_runs) {
    std::fflush(nullptr);
    _exit(exit_code);
  }
  return exit_code;
}
