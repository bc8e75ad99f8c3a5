// Makes the order of things on the service thread certain, without sleeping.
#ifndef SOCKHOST_TESTS_CORE_SERVICE_THREAD_H_
#define SOCKHOST_TESTS_CORE_SERVICE_THREAD_H_

#include <atomic>
#include <functional>
#include <future>
#include <memory>

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

// Keeps the service thread turning without a wait while this lives, so that it
// sees every intermediate state of what other threads do.
class BusyServiceThread {
 public:
  explicit BusyServiceThread(ServiceLoop& loop);
  ~BusyServiceThread();
  BusyServiceThread(const BusyServiceThread&) = delete;
  BusyServiceThread& operator=(const BusyServiceThread&) = delete;

 private:
  void Turn();

  ServiceLoop& loop_;
  std::atomic<bool> stop_{false};
  const std::shared_ptr<std::promise<void>> stopped_ = std::make_shared<std::promise<void>>();
};

// Ends the service thread when a test ends. Stands behind everything that the
// test's handlers use.
class StopOnExit {
 public:
  explicit StopOnExit(ServiceLoop& loop) : loop_(loop) {}
  ~StopOnExit() { loop_.Stop(); }
  StopOnExit(const StopOnExit&) = delete;
  StopOnExit& operator=(const StopOnExit&) = delete;

 private:
  ServiceLoop& loop_;
};

// Runs `task` on the service thread between two handler calls, and waits.
void RunOnServiceThread(ServiceLoop& loop, std::function<void()> task);

// Returns after everything that was ready before the call has been handled: two
// whole turns.
void FinishTurns(ServiceLoop& loop);

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_SERVICE_THREAD_H_
