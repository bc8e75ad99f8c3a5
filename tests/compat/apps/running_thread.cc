// A thread that uses a static object for ever. Destroying the object while it does would be seen
// by the thread, each time.
#include <unistd.h>
#include <zephyr/kernel.h>

namespace {

struct State {
  ~State() {
    number = nullptr;
    while (true) pause();
  }
  volatile int* volatile number = new int(0);
};

State state;

void Count(void*, void*, void*) {
  printk("counts\n");
  while (true) {
    *state.number = *state.number + 1;
    k_msleep(1);
  }
}

}  // namespace

K_THREAD_DEFINE(counter, 0, Count, nullptr, nullptr, nullptr, 0, 0, 0);
