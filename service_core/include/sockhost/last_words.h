// What a program that reports its own end asks the core.
#ifndef SOCKHOST_LAST_WORDS_H_
#define SOCKHOST_LAST_WORDS_H_

namespace sockhost {

// A call of a handler.
struct HandlerCall {
  // Null if there is none; both are valid until the handler returns.
  const char* service = nullptr;
  const char* owner = nullptr;
  int fd = -1;
};

// The call that the calling thread is in. Any thread; async-signal-safe.
HandlerCall CallOfThisThread();

// The file of the module that the calling thread initialises; null if it does none. Valid until
// that is over. Any thread; async-signal-safe.
const char* ModuleOfThisThread();

// From now on the caller's signal handlers report a module that crashes while it is initialised;
// without this the core does, with a plain line on standard error. Not thread-safe.
void TakeOverCrashesOfModules();

// True once the core aborts the process after a line that says why, so that nobody has to
// say it again. Any thread; async-signal-safe.
bool AbortIsLogged();

}  // namespace sockhost

#endif  // SOCKHOST_LAST_WORDS_H_
