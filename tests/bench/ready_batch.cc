#include "tests/bench/ready_batch.h"

#include <sys/eventfd.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>

#include "service_core/monotonic_clock.h"

namespace sockhost {
namespace {

void Check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

}  // namespace

ReadyBatch::ReadyBatch(size_t size) {
  Check(table_.Open().ok(), "SocketTable::Open");
  sockhost_service_definition definition{};
  definition.name = "ready";
  definition.handler = Handle;
  definition.capacity = static_cast<int>(size);
  Service& service = **registry_.Define(definition, ServiceKind::kModule);
  for (size_t i = 0; i < size; ++i) {
    sockets_.emplace_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    const int fd = sockets_.back().get();
    Check(table_.AddOne(service, fd, POLLIN, this) == 0, "SocketTable::AddOne");
  }
  Check(loop_.Start().ok(), "ServiceLoop::Start");
}

ReadyBatch::~ReadyBatch() { loop_.Stop(); }

int64_t ReadyBatch::Serve() {
  served_ = 0;
  all_served_ = {};
  std::future<int64_t> done = all_served_.get_future();
  // On the service thread between two waits: the next wait reports all of them. One
  // turn later than could be, so that the spin guard sees them unready in between.
  loop_.Post([this] {
    loop_.Post([this] {
      for (const UniqueFd& socket : sockets_) eventfd_write(socket.get(), 1);
    });
  });
  return done.get();
}

void ReadyBatch::Handle(net_socket_service_event* event) {
  auto& batch = *static_cast<ReadyBatch*>(event->user_data);
  ++batch.served_;
  if (batch.served_ == 1) {
    CALLGRIND_TOGGLE_COLLECT;
    batch.first_call_ = MonotonicNanos();
  } else if (batch.served_ == batch.sockets_.size()) {
    CALLGRIND_TOGGLE_COLLECT;
    batch.Finish();
  }
}

void ReadyBatch::Finish() {
  const int64_t took = MonotonicNanos() - first_call_;
  for (const UniqueFd& socket : sockets_) {
    eventfd_t value;
    eventfd_read(socket.get(), &value);
  }
  all_served_.set_value(took);
}

}  // namespace sockhost
