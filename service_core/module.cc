#include "sockhost/module.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "host_parts.h"
#include "init_levels.h"
#include "kernel/thread.h"
#include "log.h"
#include "sockhost/error.h"
#include "sockhost/last_words.h"
#include "sockhost/socket_service.h"

namespace sockhost {
namespace {

// How long constructors may take. They open nothing and wait for nobody: a module
// does such things in SYS_INIT functions.
constexpr unsigned kTrySeconds = 10;

absl::Status Refused(const std::string& file, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("module ", file, " is refused: ", why));
}

// Without a slash dlopen(3) would search the library path.
std::string PathOf(const std::string& file) {
  return absl::StrContains(file, "/") ? file : absl::StrCat("./", file);
}

// RTLD_NOW: a missing symbol is found here, not in the middle of a handler.
// RTLD_LOCAL: modules do not see each other's symbols.
void* Open(const std::string& file) { return dlopen(PathOf(file).c_str(), RTLD_NOW | RTLD_LOCAL); }

bool IsLoaded(const std::string& file) {
  void* handle = dlopen(PathOf(file).c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (handle) dlclose(handle);
  return handle != nullptr;
}

// ---- Why a file cannot be loaded ---------------------------------------------

std::string ExplainMissingSymbol(absl::string_view symbol) {
  if (absl::StartsWith(symbol, "sockhost_abi_")) {
    return absl::StrCat("it was built for another binary interface of sockhost (it needs ", symbol,
                        "; the interface of this program has number ", SOCKHOST_ABI,
                        "); build it anew with the headers of this sockhost");
  }
  return absl::StrCat("it needs the symbol ", symbol,
                      ", which neither sockhost nor a library that it links has; link the "
                      "library that defines it");
}

// In the words of dlerror(3), and what to do where that is known.
std::string ExplainLinkError(const std::string& file, absl::string_view message) {
  constexpr absl::string_view kUndefined = "undefined symbol: ";
  if (const size_t at = message.find(kUndefined); at != message.npos) {
    const absl::string_view rest = message.substr(at + kUndefined.size());
    return ExplainMissingSymbol(rest.substr(0, rest.find(',')));
  }
  const bool about_file = absl::ConsumePrefix(&message, absl::StrCat(PathOf(file), ": "));
  if (!about_file) {
    return absl::StrCat(message, "; install the library that it links, or build it with an rpath");
  }
  return absl::StrCat("it is no shared object for this machine (", message,
                      "); build it with sockhost_add_module()");
}

// An empty text if there is a file to be loaded.
std::string ExplainMissingFile(const std::string& file) {
  constexpr absl::string_view kWhatToDo = "; give the path of the module's .so file";
  struct stat status;
  if (stat(PathOf(file).c_str(), &status) != 0) return DescribeErrno(errno) + kWhatToDo.data();
  if (!S_ISREG(status.st_mode)) return absl::StrCat("it is not a regular file", kWhatToDo);
  return "";
}

// ---- The child that tries ----------------------------------------------------

// What the child reports when everything is well.
constexpr absl::string_view kLoadable = "+";

int report_fd = -1;

[[noreturn]] void Report(absl::string_view text) {
  [[maybe_unused]] const ssize_t written =
      write(report_fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
  _exit(text == kLoadable ? 0 : 1);
}

[[noreturn]] void ReportException() {
  std::string what = "not a std::exception";
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
    what = "std::terminate() was called";
  } catch (const std::exception& exception) {
    what = absl::Utf8SafeCEscape(exception.what());
  } catch (...) {
  }
  Report(absl::StrCat("a constructor of it threw an exception: ", what,
                      "; a SYS_INIT function can return an error instead"));
}

// Lets a hanging constructor end by SIGALRM, whatever the parent's mask is.
void EndAfter(unsigned seconds) {
  signal(SIGALRM, SIG_DFL);
  sigset_t alarm_signal;
  sigemptyset(&alarm_signal);
  sigaddset(&alarm_signal, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm_signal, nullptr);
  alarm(seconds);
}

[[noreturn]] void TryInChild(const std::string& file) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // No core file: the parent reports what happens here.
  prctl(PR_SET_DUMPABLE, 0);
  // Lines come when the module is loaded in earnest. Also, the threads that serve the
  // parent's sink are not here.
  SetLogSink([](LogLevel, absl::string_view, LogFields) {});
  std::set_terminate(ReportException);
  EndAfter(kTrySeconds);
  if (Open(file)) Report(kLoadable);
  Report(ExplainLinkError(file, dlerror()));
}

// Called when the child has ended. Does not wait for what the child may have started.
std::string ReadReport(int fd) {
  std::array<char, PIPE_BUF> text;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  const ssize_t size = read(fd, text.data(), text.size());
  return size > 0 ? std::string(text.data(), static_cast<size_t>(size)) : "";
}

std::string ExplainEnd(int status) {
  if (!WIFSIGNALED(status)) return "a constructor of it ends the process";
  if (WTERMSIG(status) == SIGALRM) {
    return absl::StrCat("its constructors have not returned after ", kTrySeconds, " s");
  }
  return absl::StrCat("a constructor of it crashed (SIG", sigabbrev_np(WTERMSIG(status)), ")");
}

// ---- Naming the module that crashes ------------------------------------------

constexpr std::array kCrashSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
// Before and after the name of the signal.
std::array<char, PATH_MAX + 64> crash_message;
constexpr char kCrashAdvice[] = "); start without it, or look at it with a debugger\n";

constexpr const char* CrashSignalName(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "SIGABRT";
  }
}

// Crashes are reported so on the thread that loads a module; what other threads do meanwhile is
// left to whoever had the signal before.
pid_t loading_thread = 0;
std::array<struct sigaction, kCrashSignals.size()> actions_before;

void RestoreAction(int signal) {
  for (size_t i = 0; i < kCrashSignals.size(); ++i) {
    if (kCrashSignals[i] == signal) sigaction(signal, &actions_before[i], nullptr);
  }
}

void NameTheModule(int signal, siginfo_t* info, void*) {
  // Only what signal-safety(7) allows.
  if (gettid() != loading_thread) {
    RestoreAction(signal);
    // A fault happens again on return, with its own frames; what was sent does not.
    if (info->si_code <= 0) raise(signal);
    return;
  }
  const auto part = [](const char* text) {
    return iovec{const_cast<char*>(text), std::strlen(text)};
  };
  const std::array parts = {part(crash_message.data()), part(CrashSignalName(signal)),
                            part(kCrashAdvice)};
  [[maybe_unused]] const ssize_t written = writev(STDERR_FILENO, parts.data(), parts.size());
  // SA_RESETHAND has restored the default, a core file included if they are wanted.
  raise(signal);
}

// While it lives, a crash of this thread is reported with the module's name.
class CrashWatch {
 public:
  explicit CrashWatch(const std::string& file) : stack_(kStackSize) {
    std::snprintf(crash_message.data(), crash_message.size(),
                  "sockhost: module %s crashed while it was initialised (", file.c_str());
    loading_thread = gettid();
    // The stack may be what has run out.
    const stack_t stack{stack_.data(), 0, stack_.size()};
    sigaltstack(&stack, &stack_before_);
    struct sigaction action {};
    action.sa_sigaction = NameTheModule;
    action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    for (size_t i = 0; i < kCrashSignals.size(); ++i) {
      sigaction(kCrashSignals[i], nullptr, &actions_before[i]);
      sigaction(kCrashSignals[i], &action, nullptr);
    }
  }
  ~CrashWatch() {
    for (const int signal : kCrashSignals) RestoreAction(signal);
    sigaltstack(&stack_before_, nullptr);
  }
  CrashWatch(const CrashWatch&) = delete;
  CrashWatch& operator=(const CrashWatch&) = delete;

 private:
  static constexpr size_t kStackSize = 64 * 1024;
  std::vector<char> stack_;
  stack_t stack_before_{};
};

// ---- What is being initialised ------------------------------------------------

bool crashes_are_taken_over = false;
thread_local const char* module_of_this_thread = nullptr;

// While it lives, the calling thread initialises `file`, and a crash of it is reported with that
// name, here or by who has taken that over.
class Initialisation {
 public:
  explicit Initialisation(const std::string& file) {
    module_of_this_thread = file.c_str();
    if (!crashes_are_taken_over) crash_watch_.emplace(file);
  }
  ~Initialisation() { module_of_this_thread = nullptr; }
  Initialisation(const Initialisation&) = delete;
  Initialisation& operator=(const Initialisation&) = delete;

 private:
  std::optional<CrashWatch> crash_watch_;
};

// ---- Loading -----------------------------------------------------------------

// Takes back what a module has made known before its initialisation failed.
void WithdrawAllBut(const std::vector<std::shared_ptr<Service>>& kept) {
  for (const std::shared_ptr<Service>& service : ProcessParts().registry.List()) {
    const bool is_kept = std::find(kept.begin(), kept.end(), service) != kept.end();
    if (!is_kept) sockhost_service_withdraw(service->descriptor);
  }
  kernel::ForgetDefinedThreads();
}

// What modules have announced so far, as a number: it grows with the services and SYS_INIT
// functions of the next one.
size_t CountAnnounced() {
  return static_cast<size_t>(ProcessParts().registry.next_index()) + CountInitFunctions();
}

// It would never be called, and nobody would know why.
void WarnOfAnEmptyModule(const std::string& file) {
  Log(LogLevel::kWarning,
      "a module registers nothing: it has no service, no SYS_INIT function and no thread; main() "
      "is not called in a module, use SYS_INIT",
      {{"file", file}});
}

}  // namespace

const char* ModuleOfThisThread() { return module_of_this_thread; }

void TakeOverCrashesOfModules() { crashes_are_taken_over = true; }

absl::Status CheckModule(const std::string& file) {
  if (const std::string why = ExplainMissingFile(file); !why.empty()) return Refused(file, why);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    return Refused(file, absl::StrCat("pipe: ", DescribeErrno(errno)));
  }
  report_fd = report[1];
  const pid_t child = fork();
  if (child == 0) TryInChild(file);
  const int fork_error = errno;
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  close(report[1]);
  const std::string text = ReadReport(report[0]);
  close(report[0]);
  if (child < 0) return Refused(file, absl::StrCat("fork: ", DescribeErrno(fork_error)));
  if (text == kLoadable) return absl::OkStatus();
  return Refused(file, text.empty() ? ExplainEnd(status) : text);
}

absl::Status LoadModule(const std::string& file) {
  if (const std::string why = ExplainMissingFile(file); !why.empty()) return Refused(file, why);
  if (IsLoaded(file)) return Refused(file, "it is loaded already; name each module once");
  const Initialisation initialisation(file);
  const std::vector<std::shared_ptr<Service>> before = ProcessParts().registry.List();
  const size_t announced_before = CountAnnounced();
  if (!Open(file)) return Refused(file, ExplainLinkError(file, dlerror()));
  const bool is_empty = CountAnnounced() == announced_before && !kernel::HasDefinedThreads();
  if (is_empty) WarnOfAnEmptyModule(file);
  if (const std::optional<InitFailure> failure = RunInitLevels()) {
    // Never unmapped: its timers and threads may run.
    WithdrawAllBut(before);
    return Refused(file, absl::StrCat("its SYS_INIT function ", failure->message));
  }
  kernel::StartDefinedThreads();
  return absl::OkStatus();
}

}  // namespace sockhost
