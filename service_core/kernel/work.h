// The work queue behind k_timer.
#ifndef SOCKHOST_SERVICE_CORE_KERNEL_WORK_H_
#define SOCKHOST_SERVICE_CORE_KERNEL_WORK_H_

#include <zephyr/kernel/work.h>

namespace sockhost::kernel {

// Starts with its first use.
extern k_work_q timer_queue;

}  // namespace sockhost::kernel

#endif  // SOCKHOST_SERVICE_CORE_KERNEL_WORK_H_
