#include "crash_report.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>

#include "logging.h"
#include "signal_safe_line.h"
#include "sockhost/last_words.h"

namespace sockhost {
namespace {

#if defined(__has_feature)
#define SOCKHOST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define SOCKHOST_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    SOCKHOST_HAS_FEATURE(address_sanitizer) || SOCKHOST_HAS_FEATURE(thread_sanitizer)
constexpr bool kSanitizerReports = true;
#else
constexpr bool kSanitizerReports = false;
#endif

struct CrashSignal {
  int number;
  std::string_view name;
};
constexpr CrashSignal kCrashSignals[] = {{SIGSEGV, "SIGSEGV"},
                                         {SIGBUS, "SIGBUS"},
                                         {SIGILL, "SIGILL"},
                                         {SIGFPE, "SIGFPE"},
                                         {SIGABRT, "SIGABRT"}};

constexpr int kMaxFrames = 32;
// A report that hangs, on a lock of the crashed program say, is given up.
constexpr unsigned kReportSeconds = 5;

// Of main's thread. The service thread has its own from the core.
alignas(16) char main_stack[size_t{64} * 1024];
pid_t daemon_pid = 0;

// Everything below runs in signal handlers: only what signal-safety(7) allows, and
// backtrace(3), which has been called once before.

// 0: nobody reports. The first thread that crashes does.
std::atomic<pid_t> reporting_thread{0};
std::atomic<int> reported_signal{0};

[[noreturn]] void EndBy(int number) {
  signal(number, SIG_DFL);
  raise(number);
  // Not reached, unless somebody blocks the signal.
  _exit(128 + number);
}

void OnAlarm(int) {
  const int number = reported_signal.load();
  signal(number, SIG_DFL);
  kill(getpid(), number);
}

void EndAfter(unsigned seconds, int number) {
  reported_signal = number;
  signal(SIGALRM, OnAlarm);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  alarm(seconds);
}

// The names of frames, "a.so(f+0x10)[0x7f00] < ...", in memory that the next call reuses.
// backtrace_symbols(3) would allocate; the other one writes to an fd: to a pipe. Empty if
// there is no fd for it.
std::string_view NamesOf(void* const* frames, int count) {
  static char names[4096];
  int ends[2];
  if (count <= 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return "";
  backtrace_symbols_fd(frames, count, ends[1]);
  close(ends[1]);
  size_t size = 0;
  // Two more characters than a line's end have to fit in between.
  for (char c = 0; size + 3 < sizeof(names) && read(ends[0], &c, 1) == 1;) {
    if (c != '\n') {
      names[size++] = c;
    } else {
      for (const char part : {' ', '<', ' '}) names[size++] = part;
    }
  }
  close(ends[0]);
  std::string_view text(names, size);
  if (text.ends_with(" < ")) text.remove_suffix(3);
  return text;
}

std::string_view NameOf(int number) {
  for (const CrashSignal& known : kCrashSignals) {
    if (known.number == number) return known.name;
  }
  return "";
}

void WriteReport(int number, void* const* frames, int count) {
  const HandlerCall call = CallOfThisThread();
  const char* module = ModuleOfThisThread();
  SignalSafeLine line(FormOfLog(),
                      call.service ? std::string_view("a handler has crashed: the process ends")
                      : module ? "a module has crashed while it was initialised: the process ends"
                               : "crashed: the process ends");
  line.Add("signal", NameOf(number));
  if (call.service) {
    line.Add("service", call.service);
    line.Add("owner", call.owner);
    line.Add("fd", call.fd);
  } else if (module) {
    line.Add("file", module);
  }
  char thread[16] = "";
  prctl(PR_GET_NAME, thread);
  line.Add("thread", thread);
  const std::string_view names = NamesOf(frames, count);
  if (!names.empty()) line.Add("backtrace", names);
  WriteToStandardError(line.Finish());
  // Better no log line than no frames.
  if (names.empty()) backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

void OnCrash(int number) {
  pid_t reporter = 0;
  if (getpid() != daemon_pid) EndBy(number);
  if (!reporting_thread.compare_exchange_strong(reporter, gettid())) {
    // The report itself has crashed, or another thread has while it is written.
    if (reporter != gettid()) sleep(kReportSeconds);
    EndBy(number);
  }
  EndAfter(kReportSeconds, number);
  // Before the frames are named, which may take long.
  DrainLog();
  if (!(number == SIGABRT && AbortIsLogged())) {
    std::array<void*, kMaxFrames> frames;
    const int count = backtrace(frames.data(), kMaxFrames);
    // The first two are the signal's own.
    WriteReport(number, frames.data() + 2, std::max(count - 2, 0));
  }
  EndBy(number);
}

}  // namespace

void ReportCrashes() {
  if (kSanitizerReports) return;
  TakeOverCrashesOfModules();
  daemon_pid = getpid();
  // It may allocate the first time, when it loads libgcc.
  void* unused[1];
  backtrace(unused, 1);
  const stack_t stack{main_stack, 0, sizeof(main_stack)};
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = OnCrash;
  action.sa_flags = static_cast<int>(SA_NODEFER | SA_ONSTACK);
  for (const CrashSignal& known : kCrashSignals) sigaction(known.number, &action, nullptr);
}

}  // namespace sockhost
