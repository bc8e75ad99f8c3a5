// The stack of signal handlers.
#ifndef SOCKHOST_SERVICE_CORE_SIGNAL_STACK_H_
#define SOCKHOST_SERVICE_CORE_SIGNAL_STACK_H_

#include <signal.h>

#include <cstddef>

namespace sockhost {

// While it lives, signal handlers that ask for a stack of their own (SA_ONSTACK) have one on
// this thread, whose stack may be what has run out; unless a sanitizer has given it one. A local
// variable of a thread's first function: its memory then lies where a stack never runs out.
//
// Thread rule: made and destroyed on the same thread. Source: sigaltstack(2).
class SignalStack {
 public:
  SignalStack() {
    const stack_t stack{memory_, 0, sizeof(memory_)};
    sigaltstack(nullptr, &before_);
    if (before_.ss_flags & SS_DISABLE) sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    if (before_.ss_flags & SS_DISABLE) sigaltstack(&before_, nullptr);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  stack_t before_{};
  // Uninitialised: the kernel gives it memory when a handler uses it.
  alignas(16) char memory_[size_t{64} * 1024];
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SIGNAL_STACK_H_
