// Memory that cannot be had. Replaces operator new in the program that links it.
#ifndef SOCKHOST_TESTS_CORE_FAILED_ALLOCATION_H_
#define SOCKHOST_TESTS_CORE_FAILED_ALLOCATION_H_

#include <pthread.h>

#include <functional>

namespace sockhost {

// While it lives, the allocation number `place` of `thread` fails. One at a time.
class FailedAllocation {
 public:
  FailedAllocation(pthread_t thread, int place);
  ~FailedAllocation();
  FailedAllocation(const FailedAllocation&) = delete;
  FailedAllocation& operator=(const FailedAllocation&) = delete;

  bool has_happened() const;
};

// Goes from place to place until `attempt` says that it did not come so far, or the test
// has failed.
void AtEachPlace(const std::function<bool(int place)>& attempt);

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_FAILED_ALLOCATION_H_
