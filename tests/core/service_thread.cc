#include "tests/core/service_thread.h"

#include <utility>

namespace sockhost {

// std::promise::set_value may still touch the promise when the waiter is awake:
// the promise is shared with the task.
ServiceThreadHold::ServiceThreadHold(ServiceLoop& loop) {
  auto held = std::make_shared<std::promise<void>>();
  std::future<void> waits = held->get_future();
  loop.Post([held, released = release_.get_future().share()] {
    held->set_value();
    released.wait();
  });
  waits.wait();
}

ServiceThreadHold::~ServiceThreadHold() { release_.set_value(); }

BusyServiceThread::BusyServiceThread(ServiceLoop& loop) : loop_(loop) { Turn(); }

BusyServiceThread::~BusyServiceThread() {
  std::future<void> stopped = stopped_->get_future();
  stop_ = true;
  stopped.wait();
}

void BusyServiceThread::Turn() {
  loop_.Post([this, stopped = stopped_] {
    if (stop_) {
      stopped->set_value();
    } else {
      Turn();
    }
  });
}

void RunOnServiceThread(ServiceLoop& loop, std::function<void()> task) {
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> waits = done->get_future();
  loop.Post([done, task = std::move(task)] {
    task();
    done->set_value();
  });
  waits.wait();
}

void FinishTurns(ServiceLoop& loop) {
  // The posted task runs at the end of the turn whose wait it ended, or of the
  // turn in progress, which may have waited before the caller's socket was ready.
  for (int turn = 0; turn < 2; ++turn) RunOnServiceThread(loop, [] {});
}

}  // namespace sockhost
