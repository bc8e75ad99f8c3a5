// The threads of K_THREAD_DEFINE.
#ifndef SOCKHOST_SERVICE_CORE_KERNEL_THREAD_H_
#define SOCKHOST_SERVICE_CORE_KERNEL_THREAD_H_

namespace sockhost::kernel {

// Starts those that were announced since the last call. One thread at a time.
void StartDefinedThreads();

// True if there are any.
bool HasDefinedThreads();

// Forgets them instead.
void ForgetDefinedThreads();

}  // namespace sockhost::kernel

#endif  // SOCKHOST_SERVICE_CORE_KERNEL_THREAD_H_
