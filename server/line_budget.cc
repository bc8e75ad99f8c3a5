#include "line_budget.h"

#include "absl/time/time.h"
#include "monotonic_time.h"

namespace sockhost {

int64_t LineBudget::Take() {
  // From 1 on: 0 is before the first.
  const int64_t second = absl::ToInt64Seconds(MonotonicTime()) + 1;
  int64_t before = second_.load(std::memory_order_relaxed);
  if (before != second && second_.compare_exchange_strong(before, second)) taken_ = 0;
  if (taken_.fetch_add(1) < most_) return suppressed_.exchange(0, std::memory_order_relaxed);
  suppressed_.fetch_add(1, std::memory_order_relaxed);
  return -1;
}

}  // namespace sockhost
