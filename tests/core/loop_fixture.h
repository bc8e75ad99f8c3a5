// A socket table with a running service thread.
#ifndef SOCKHOST_TESTS_CORE_LOOP_FIXTURE_H_
#define SOCKHOST_TESTS_CORE_LOOP_FIXTURE_H_

#include "service_core/service_loop.h"
#include "tests/core/handler_calls.h"
#include "tests/core/service_thread.h"
#include "tests/core/table_fixture.h"

namespace sockhost {

class LoopFixture : public TableFixture {
 protected:
  LoopFixture() { EXPECT_TRUE(loop_.Start().ok()); }
  void TearDown() override {
    EXPECT_EQ(loop_.state(), ServiceLoop::State::kStopped) << "the test needs a StopOnExit";
  }

  // Polls `fd` for `service`; `calls` remembers. 0 if the handler has removed it
  // already.
  SocketId Register(Service& service, int fd, HandlerCalls& calls, short events = POLLIN) {
    EXPECT_EQ(table_.AddOne(service, fd, events, &calls), 0);
    const SocketSlot* slot = table_.SlotOfFd(fd);
    return slot ? slot->id.load() : 0;
  }

  std::shared_ptr<Service> NewRecordingService(int capacity = 8) {
    return NewServiceWith(HandlerCalls::Handle, capacity);
  }

  CounterValues CountersOf(SocketId id) const {
    const std::optional<SocketSnapshot> snapshot = table_.Find(id);
    return snapshot ? snapshot->counters : CounterValues();
  }

  ServiceLoop loop_{table_};
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_LOOP_FIXTURE_H_
