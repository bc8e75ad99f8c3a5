// Signals that a program which hosts takes for itself.
#ifndef SOCKHOST_TAKEN_SIGNALS_H_
#define SOCKHOST_TAKEN_SIGNALS_H_

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include <atomic>

namespace sockhost {

// `sender`: a process id, 0 if no process has sent it. Async-signal-safe.
using SignalHandler = void (*)(int number, pid_t sender);

// From now on `handler` is called when signal `number` comes, on whichever thread the kernel
// chooses (main's, unless that blocks it). Hosted code does not notice: calls of the C API that it
// interrupts go on. Nothing is blocked or ignored, which programs that hosted code starts would
// inherit: in those, and in a child of this process that was forked, the signal does what it does
// by default. Any thread; a second call replaces the handler. Source: signal(7), execve(2).
void TakeSignal(int number, SignalHandler handler);

// The same for a thread that has `number` blocked and waits for it by sigtimedwait(2) or the like:
// wherever the signal comes, it is handed on to `thread`, which goes on to the end of the process.
void HandOnSignal(int number, pthread_t thread);

// Who has sent `signal`, which such a thread has received; 0 if no process has.
pid_t SenderOf(const siginfo_t& signal);

// How many signals that were taken have come on this thread; it goes round. Async-signal-safe.
extern constinit thread_local std::atomic<unsigned> signals_taken_here;

}  // namespace sockhost

#endif  // SOCKHOST_TAKEN_SIGNALS_H_
