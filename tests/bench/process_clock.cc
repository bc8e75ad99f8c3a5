#include "tests/bench/process_clock.h"

#include <time.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace sockhost {

int64_t ProcessCpuNanos(pid_t pid) {
  clockid_t clock;
  timespec used;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return -1;
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

int64_t MachineBusyNanos() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  int64_t user = 0;
  int64_t nice = 0;
  int64_t system = 0;
  int64_t idle = 0;
  int64_t waiting = 0;
  int64_t interrupts = 0;
  int64_t soft_interrupts = 0;
  int64_t stolen = 0;
  stat >> cpu >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >>
      stolen;
  const int64_t ticks = user + nice + system + interrupts + soft_interrupts + stolen;
  return ticks * (1'000'000'000 / sysconf(_SC_CLK_TCK));
}

}  // namespace sockhost
