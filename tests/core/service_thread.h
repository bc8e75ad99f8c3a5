// Makes the order of things on the service thread certain, without sleeping.
#ifndef SOCKHOST_TESTS_CORE_SERVICE_THREAD_H_
#define SOCKHOST_TESTS_CORE_SERVICE_THREAD_H_

#include <functional>
#include <future>

#include "service_core/service_loop.h"

namespace sockhost {

// Keeps the service thread from running while this lives. Sockets that become
// ready meanwhile are reported in one batch afterwards.
class ServiceThreadHold {
 public:
  explicit ServiceThreadHold(ServiceLoop& loop);
  ~ServiceThreadHold();
  ServiceThreadHold(const ServiceThreadHold&) = delete;
  ServiceThreadHold& operator=(const ServiceThreadHold&) = delete;

 private:
  std::promise<void> release_;
};

// Runs `task` on the service thread between two handler calls, and waits.
void RunOnServiceThread(ServiceLoop& loop, std::function<void()> task);

// Returns after everything that was ready before the call has been handled: two
// whole turns.
void FinishTurns(ServiceLoop& loop);

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_SERVICE_THREAD_H_
