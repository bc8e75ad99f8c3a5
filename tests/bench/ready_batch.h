// Sockets that become ready all at once, again and again: what one event costs.
#ifndef SOCKHOST_TESTS_BENCH_READY_BATCH_H_
#define SOCKHOST_TESTS_BENCH_READY_BATCH_H_

#include <cstdint>
#include <future>
#include <memory>
#include <vector>

#include "service_core/service_loop.h"
#include "service_core/service_registry.h"
#include "service_core/socket_table.h"
#include "service_core/unique_fd.h"

namespace sockhost {

// A service thread with `size` eventfds of one service. The handler does nothing
// until the last one of a batch is served; that call makes all unready again.
class ReadyBatch {
 public:
  // At most 255: a turn takes 256 events, one of them the wake-up.
  explicit ReadyBatch(size_t size);
  ~ReadyBatch();

  // Makes all sockets ready at once and waits until each was served. Returns the
  // time from the first handler call to the last in ns: size - 1 events. Under
  // callgrind this is also what is collected.
  int64_t Serve();

 private:
  static void Handle(net_socket_service_event* event);
  void Finish();

  ServiceRegistry registry_;
  SocketTable table_;
  ServiceLoop loop_{table_};
  std::vector<UniqueFd> sockets_;

  // Of the service thread while Serve waits.
  size_t served_ = 0;
  int64_t first_call_ = 0;
  std::promise<int64_t> all_served_;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_BENCH_READY_BATCH_H_
