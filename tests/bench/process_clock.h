// Clocks that tell how much CPU was used, and by whom.
#ifndef SOCKHOST_TESTS_BENCH_PROCESS_CLOCK_H_
#define SOCKHOST_TESTS_BENCH_PROCESS_CLOCK_H_

#include <sys/types.h>

#include <cstdint>

namespace sockhost {

// User and system time of all threads of `pid` (0: this process), in ns; -1 if
// there is no such process. The same accounting as utime + stime of
// /proc/PID/stat, which rounds it to 10 ms. Source: clock_getcpuclockid(3).
int64_t ProcessCpuNanos(pid_t pid);

// What all CPUs together have spent on anything but idling, the time that the
// hypervisor took included, in ns; rounded to 10 ms for each CPU. Source:
// proc_stat(5).
int64_t MachineBusyNanos();

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_BENCH_PROCESS_CLOCK_H_
