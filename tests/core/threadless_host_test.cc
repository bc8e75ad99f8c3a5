// The C API when the service thread could not start.
#include <gmock/gmock.h>

#include <cerrno>
#include <thread>

#include "tests/core/eventually.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Each;
using testing::Eq;

// One test: a process has one start.
TEST(ThreadlessHostTest, EveryCallIsRefusedAndWaitersReturn) {
  sockhost_service_definition definition{};
  definition.name = "service";
  definition.handler = [](net_socket_service_event*) {};
  definition.capacity = 1;
  const net_socket_service_desc* service = nullptr;
  ASSERT_EQ(sockhost_service_define(&definition, &service), 0);
  const int early = EventFd(false).release();
  ASSERT_EQ(sockhost_service_add(service, early, POLLIN, nullptr), 0);
  std::thread waiter([service, early] {
    EXPECT_EQ(sockhost_service_close_wait(service, -1), 0);
    EXPECT_FALSE(IsOpen(early));
  });
  EXPECT_TRUE(Becomes([] { return ProcessParts().table.size(); }, Eq(0u)));

  absl::Status status;
  {
    const NoMoreThreads limit;
    status = ServiceHost::OfProcess().Start({});
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  waiter.join();

  const UniqueFd fd = EventFd(false);
  EXPECT_THAT(CallEverything(service, fd.get()), Each(Eq(-EIO)));
  EXPECT_EQ(ProcessParts().table.size(), 0u);
}

}  // namespace
}  // namespace sockhost
