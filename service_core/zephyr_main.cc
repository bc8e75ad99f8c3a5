// main() of a program made of Zephyr sources: the order in which Zephyr starts an
// application, and what Linux asks of a process.
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest_test.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "init_levels.h"
#include "kernel/thread.h"
#include "log.h"
#include "sockhost/fd_limit.h"
#include "sockhost/service_host.h"
#include "sockhost/taken_signals.h"

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

// As a shell reports a process that a signal has ended.
constexpr int kExitBySignal = 128 + SIGTERM;

// What SYS_INIT functions may take when the process is to stop; a test suite, too.
constexpr timespec kStartLimit{1, 0};

std::atomic<bool> serves{false};
std::atomic<bool> stop_is_requested{false};
// Not C++'s semaphore: ThreadSanitizer, which does not know it, keeps signals from a thread that
// waits for it.
sem_t stop_request;

// False if it stops already. Any thread.
bool RequestStop() {
  if (stop_is_requested.exchange(true)) return false;
  sem_post(&stop_request);
  return true;
}

// On a thread of its own: whatever the program waits for, signals are heard.
[[noreturn]] void TakeSignals(const sigset_t& stop_signals) {
  int received = 0;
  sigwait(&stop_signals, &received);
  if (!RequestStop()) _exit(kExitBySignal);
  const bool is_second = sigtimedwait(&stop_signals, nullptr, &kStartLimit) > 0;
  if (is_second || !serves) _exit(kExitBySignal);
  sigwait(&stop_signals, &received);
  _exit(kExitBySignal);
}

void StartTakingSignals() {
  sem_init(&stop_request, 0, 0);
  // Writing to a peer that is gone is an error, EPIPE.
  sockhost::TakeSignal(SIGPIPE, [](int, pid_t) {});
  sigset_t stop_signals;
  sigset_t before;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, &before);
  std::thread guard([stop_signals] { TakeSignals(stop_signals); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const pthread_t thread = guard.native_handle();
  pthread_setname_np(thread, "signals");
  guard.detach();
  for (const int number : {SIGINT, SIGTERM}) sockhost::HandOnSignal(number, thread);
}

std::atomic<bool> app_main_failed{false};

void StopAsFailed() {
  app_main_failed = true;
  RequestStop();
}

// The application's main() may never return, so it has a thread of its own. If it
// returns 0 the services go on, as on Zephyr; a failure ends the process.
void RunAppMain(void*, void*, void*) {
  const int result = FindAppMain()();
  if (result == 0) return;
  Log(LogLevel::kError, "main() has failed", {{"result", result}});
  StopAsFailed();
}

void StartAppMain() {
  static k_thread thread;
  if (!k_thread_create(&thread, nullptr, 0, RunAppMain, nullptr, nullptr, nullptr, 0, 0,
                       K_NO_WAIT)) {
    return StopAsFailed();
  }
  k_thread_name_set(&thread, "app_main");
}

// Returns the exit code.
int Serve() {
  serves = true;
  if (FindAppMain()) StartAppMain();
  while (sem_wait(&stop_request) != 0) {
  }
  return app_main_failed ? 1 : 0;
}

}  // namespace

int main() {
  StartTakingSignals();

  sockhost::RaiseFdLimit();
  sockhost::ServiceHost& host = sockhost::ServiceHost::OfProcess();
  const absl::Status started = host.Start({});
  if (!started.ok()) {
    std::fprintf(stderr, "sockhost: %s\n", started.ToString().c_str());
    return 1;
  }
  sockhost::RunInitLevels();
  sockhost::kernel::StartDefinedThreads();

  const bool is_suite = sockhost_ztest_run && !FindAppMain();
  const int exit_code = !is_suite ? Serve() : sockhost_ztest_run() == 0 ? 0 : 1;
  host.Stop();

  // Not through exit() while the application's threads use what that destroys.
  if (sockhost::kernel::ThreadsRun()) {
    std::fflush(nullptr);
    _exit(exit_code);
  }
  return exit_code;
}
