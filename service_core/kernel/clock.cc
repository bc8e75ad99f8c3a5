// Uptime, points in time and sleeping.
#include <sched.h>
#include <time.h>
#include <unistd.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/clock.h>

#include <cerrno>
#include <cstdint>

#include "kernel/wait.h"
#include "monotonic_clock.h"

namespace sockhost::kernel {
namespace {

constexpr int64_t kTicksPerSecond = CONFIG_SYS_CLOCK_TICKS_PER_SEC;
constexpr int64_t kNanosPerTick = 1'000'000'000 / kTicksPerSecond;

int64_t MonotonicTicks() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kTicksPerSecond + now.tv_nsec / kNanosPerTick;
}

// A function, because constructors of the application may ask before this file's
// are done.
int64_t StartOfProcess() {
  static const int64_t start = MonotonicTicks();
  return start;
}
[[maybe_unused]] const int64_t kStartIsTakenNow = StartOfProcess();

}  // namespace

int64_t EndOf(k_timeout_t timeout) {
  if (IsForever(timeout)) return INT64_MAX;
  if (timeout.ticks < 0) return K_TICKS_FOREVER - 1 - timeout.ticks;
  const int64_t now = sys_clock_tick_get();
  return timeout.ticks > INT64_MAX - now ? INT64_MAX : now + timeout.ticks;
}

timespec MonotonicTimeAt(int64_t ticks) {
  const int64_t start = StartOfProcess();
  const int64_t at = ticks > INT64_MAX - start ? INT64_MAX : start + ticks;
  return {at / kTicksPerSecond, at % kTicksPerSecond * kNanosPerTick};
}

}  // namespace sockhost::kernel

using sockhost::kernel::EndOf;

extern "C" {

int64_t sys_clock_tick_get(void) {
  return sockhost::kernel::MonotonicTicks() - sockhost::kernel::StartOfProcess();
}

int64_t k_uptime_get(void) {
  return sys_clock_tick_get() / (CONFIG_SYS_CLOCK_TICKS_PER_SEC / int64_t{MSEC_PER_SEC});
}

uint64_t k_cycle_get_64(void) { return static_cast<uint64_t>(sockhost::MonotonicNanos()); }

k_timepoint_t sys_timepoint_calc(k_timeout_t timeout) {
  if (K_TIMEOUT_EQ(timeout, K_FOREVER)) return {UINT64_MAX};
  // Never in the future, whatever the clock says.
  if (K_TIMEOUT_EQ(timeout, K_NO_WAIT)) return {0};
  return {static_cast<uint64_t>(EndOf(timeout))};
}

k_timeout_t sys_timepoint_timeout(k_timepoint_t timepoint) {
  if (timepoint.tick == UINT64_MAX) return K_FOREVER;
  const uint64_t now = static_cast<uint64_t>(sys_clock_tick_get());
  return K_TICKS(timepoint.tick > now ? timepoint.tick - now : 0);
}

int32_t k_sleep(k_timeout_t timeout) {
  if (K_TIMEOUT_EQ(timeout, K_FOREVER)) {
    for (;;) pause();
  }
  const timespec end = sockhost::kernel::MonotonicTimeAt(EndOf(timeout));
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr) == EINTR) {
  }
  return 0;
}

int32_t k_msleep(int32_t ms) { return k_sleep(K_MSEC(ms)); }

int32_t k_usleep(int32_t us) { return k_sleep(K_USEC(us)); }

void k_yield(void) { sched_yield(); }

void k_busy_wait(uint32_t usec) {
  // Not in ticks: the one that has begun would count as a whole one.
  const int64_t end = sockhost::MonotonicNanos() + int64_t{usec} * 1000;
  while (sockhost::MonotonicNanos() < end) {
  }
}

int sys_clock_gettime(int clock_id, struct timespec* time) {
  return clock_gettime(clock_id, time) == 0 ? 0 : -errno;
}

int sys_clock_settime(int clock_id, const struct timespec* time) {
  return clock_settime(clock_id, time) == 0 ? 0 : -errno;
}

}  // extern "C"
