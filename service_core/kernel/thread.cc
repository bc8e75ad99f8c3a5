#include "kernel/thread.h"

#include <zephyr/kernel.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernel/wait.h"
#include "log.h"
#include "mutex.h"
#include "signal_stack.h"
#include "sockhost/error.h"

using sockhost::kernel::Guard;
using sockhost::kernel::IsForever;
using sockhost::kernel::IsNoWait;
using sockhost::kernel::Wait;
using sockhost::kernel::WakeAll;

namespace {

// A thread goes through them in this order.
enum State { kCreated, kStarting, kRunning, kEnded };

// 15 characters and the NUL: the limit of pthread_setname_np(3).
constexpr size_t kLinuxNameSize = 16;

thread_local k_tid_t current_thread = nullptr;

// That have been started and have not ended.
std::atomic<int> running_threads{0};

// Cuts what does not fit.
template <size_t kSize>
void CopyName(const char* name, char (&copy)[kSize]) {
  const size_t length = strnlen(name, kSize - 1);
  std::memcpy(copy, name, length);
  copy[length] = '\0';
}

// Names the Linux thread, if there is one: the guard is held, so that it cannot
// end meanwhile.
void ShowName(const k_thread& thread) {
  if (thread.state != kRunning || thread.name[0] == '\0') return;
  char name[kLinuxNameSize];
  CopyName(thread.name, name);
  pthread_setname_np(thread.pthread, name);
}

void* Run(void* argument) {
  const sockhost::SignalStack signal_stack;
  k_thread& thread = *static_cast<k_thread*>(argument);
  current_thread = &thread;
  {
    Guard guard(thread.wait_q);
    thread.pthread = pthread_self();
    thread.state = kRunning;
    ShowName(thread);
    if (!IsNoWait(thread.delay)) Wait(guard, thread.start_q, thread.delay);
  }
  thread.entry(thread.arguments[0], thread.arguments[1], thread.arguments[2]);
  running_threads.fetch_sub(1);
  Guard guard(thread.wait_q);
  thread.state = kEnded;
  // The last use of `thread` beside its guard: who joined may reuse the memory.
  WakeAll(thread.wait_q, 0);
  return nullptr;
}

// Makes the Linux thread. False, and the thread has ended, if the system has none.
bool Launch(k_thread& thread) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  running_threads.fetch_add(1);
  pthread_t ignored;
  const int error = pthread_create(&ignored, &attributes, Run, &thread);
  pthread_attr_destroy(&attributes);
  if (error == 0) return true;
  running_threads.fetch_sub(1);
  {
    // Whoever joins it must not wait for ever.
    Guard guard(thread.wait_q);
    thread.state = kEnded;
    WakeAll(thread.wait_q, 0);
  }
  sockhost::Log(sockhost::LogLevel::kError, "cannot create a thread",
                {{"thread", thread.name}, {"error", sockhost::DescribeErrno(error)}});
  return false;
}

// Starts `thread` after `delay`. One that was started before stays as it is, but if
// there is no delay its own one ends. False as Launch().
bool Start(k_thread& thread, k_timeout_t delay) {
  {
    Guard guard(thread.wait_q);
    const bool was_started = thread.state != kCreated;
    if (!was_started || IsNoWait(delay)) thread.delay = delay;
    if (IsNoWait(delay)) WakeAll(thread.start_q, 0);
    if (was_started) return true;
    thread.state = kStarting;
  }
  return Launch(thread);
}

sockhost::Mutex defined_mutex;
sockhost_static_thread* defined_threads ABSL_GUARDED_BY(defined_mutex) = nullptr;

// Takes the list of those that were announced.
sockhost_static_thread* TakeDefined() {
  sockhost::MutexLock lock(defined_mutex);
  return std::exchange(defined_threads, nullptr);
}

}  // namespace

namespace sockhost::kernel {

bool ThreadsRun() { return running_threads.load() > 0; }

void StartDefinedThreads() {
  sockhost_static_thread* const all = TakeDefined();
  // The first one may start or join the last one.
  for (const sockhost_static_thread* at = all; at; at = at->next) {
    k_thread_create(at->thread, nullptr, 0, at->entry, at->arguments[0], at->arguments[1],
                    at->arguments[2], 0, 0, K_FOREVER);
    k_thread_name_set(at->thread, at->name);
  }
  for (const sockhost_static_thread* at = all; at; at = at->next) {
    const k_timeout_t delay = SYS_TIMEOUT_MS(at->delay_ms);
    if (!IsForever(delay)) Start(*at->thread, delay);
  }
}

bool HasDefinedThreads() {
  sockhost::MutexLock lock(defined_mutex);
  return defined_threads != nullptr;
}

void ForgetDefinedThreads() { TakeDefined(); }

}  // namespace sockhost::kernel

extern "C" {

void sockhost_thread_announce(struct sockhost_static_thread* thread) {
  sockhost::MutexLock lock(defined_mutex);
  sockhost_static_thread** end = &defined_threads;
  while (*end) end = &(*end)->next;
  thread->next = nullptr;
  *end = thread;
}

void sockhost_thread_withdraw(struct sockhost_static_thread* thread) {
  sockhost::MutexLock lock(defined_mutex);
  for (sockhost_static_thread** at = &defined_threads; *at; at = &(*at)->next) {
    if (*at != thread) continue;
    *at = thread->next;
    return;
  }
}

k_tid_t k_thread_create(struct k_thread* thread, k_thread_stack_t*, size_t, k_thread_entry_t entry,
                        void* p1, void* p2, void* p3, int, uint32_t, k_timeout_t delay) {
  *thread = {};
  thread->entry = entry;
  thread->arguments[0] = p1;
  thread->arguments[1] = p2;
  thread->arguments[2] = p3;
  thread->state = kCreated;
  return IsForever(delay) || Start(*thread, delay) ? thread : nullptr;
}

void k_thread_start(k_tid_t thread) { Start(*thread, K_NO_WAIT); }

int k_thread_join(struct k_thread* thread, k_timeout_t timeout) {
  if (thread == current_thread) return -EDEADLK;
  Guard guard(thread->wait_q);
  if (thread->state == kEnded) return 0;
  if (IsNoWait(timeout)) return -EBUSY;
  return Wait(guard, thread->wait_q, timeout);
}

k_tid_t k_current_get(void) {
  if (!current_thread) {
    static thread_local k_thread foreign = {};
    foreign.pthread = pthread_self();
    foreign.state = kRunning;
    pthread_getname_np(foreign.pthread, foreign.name, sizeof(foreign.name));
    current_thread = &foreign;
  }
  return current_thread;
}

int k_thread_name_set(k_tid_t thread, const char* name) {
  if (!thread) thread = k_current_get();
  Guard guard(thread->wait_q);
  CopyName(name, thread->name);
  ShowName(*thread);
  return 0;
}

const char* k_thread_name_get(k_tid_t thread) { return thread->name; }

}  // extern "C"
