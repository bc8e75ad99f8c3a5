// Zephyr's threads.
#ifndef SOCKHOST_SERVICE_CORE_KERNEL_THREAD_H_
#define SOCKHOST_SERVICE_CORE_KERNEL_THREAD_H_

namespace sockhost::kernel {

// True while any of them has not ended. Any thread.
bool ThreadsRun();

// Starts those of K_THREAD_DEFINE that were announced since the last call. One thread at a time.
void StartDefinedThreads();

// True if there are any.
bool HasDefinedThreads();

// Forgets them instead.
void ForgetDefinedThreads();

}  // namespace sockhost::kernel

#endif  // SOCKHOST_SERVICE_CORE_KERNEL_THREAD_H_
