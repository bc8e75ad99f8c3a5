// The C API in a process that had no fd left when the host was made.
#include <gmock/gmock.h>

#include <cerrno>

#include "tests/core/process_host_fixture.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Each;
using testing::Eq;

// One test: a process has one host.
TEST(FdlessHostTest, EveryCallIsRefused) {
  const UniqueFd fd = EventFd(false);
  {
    const NoMoreFds limit;
    ServiceHost::OfProcess();
  }
  const absl::Status status = ServiceHost::OfProcess().Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;

  sockhost_service_definition definition{};
  definition.name = "service";
  definition.handler = [](net_socket_service_event*) {};
  definition.capacity = 1;
  const net_socket_service_desc* service = nullptr;
  ASSERT_EQ(sockhost_service_define(&definition, &service), 0);
  EXPECT_THAT(CallEverything(service, fd.get()), Each(Eq(-EIO)));
}

}  // namespace
}  // namespace sockhost
