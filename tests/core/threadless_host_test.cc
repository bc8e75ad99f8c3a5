// The C API when the service thread could not start.
#include <gmock/gmock.h>
#include <pthread.h>

#include <cerrno>
#include <thread>

#include "tests/core/eventually.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

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

  // No stack so large can be had: pthread_create(3) fails.
  pthread_attr_t before;
  pthread_attr_t huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  const absl::Status status = ServiceHost::OfProcess().Start({});
  ASSERT_EQ(pthread_setattr_default_np(&before), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  waiter.join();

  const UniqueFd fd = EventFd(false);
  pollfd set[1] = {{fd.get(), POLLIN, 0}};
  EXPECT_EQ(net_socket_service_register(service, set, 1, nullptr), -EIO);
  EXPECT_EQ(net_socket_service_unregister(service), -EIO);
  EXPECT_EQ(net_socket_service_close(service), -EIO);
  EXPECT_EQ(sockhost_service_add(service, fd.get(), POLLIN, nullptr), -EIO);
  EXPECT_EQ(sockhost_service_close_wait(service, -1), -EIO);
  EXPECT_EQ(ProcessParts().table.size(), 0u);
}

}  // namespace
}  // namespace sockhost
