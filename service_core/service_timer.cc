#include "sockhost/service_timer.h"

#include <utility>

#include "service_loop.h"

namespace sockhost {

void RunAfter(absl::Duration delay, absl::AnyInvocable<void()> task) {
  ServiceLoop& loop = *ServiceLoop::Current();
  loop.RunAt(loop.now() + absl::ToInt64Nanoseconds(delay), std::move(task));
}

absl::Duration ServiceClock() { return absl::Nanoseconds(ServiceLoop::Current()->now()); }

}  // namespace sockhost
