// The C API before the host of the process is started.
#include <gmock/gmock.h>

#include <cerrno>

#include "tests/core/eventually.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Eq;

// One test: a process has one start.
TEST(EarlyHostTest, WhatIsRegisteredEarlyIsQueuedAndServedFromTheStartOn) {
  ServiceLoop& loop = ProcessParts().loop;
  ASSERT_EQ(loop.state(), ServiceLoop::State::kNotStarted);
  const UniqueFd served = EventFd(true);
  const UniqueFd replaced = EventFd(true);
  const UniqueFd unregistered = EventFd(true);
  const int closed = EventFd(true).release();
  const int waited_for = EventFd(true).release();
  const UniqueFd file = RegularFile();
  const UniqueFd undefined = EventFd(true);
  bool done = false;
  bool freed = false;
  sockhost_service_definition definition{};
  definition.name = "gone";
  definition.handler = [](net_socket_service_event*) { ADD_FAILURE() << "it was undefined"; };
  definition.capacity = 1;
  definition.free_user_data = [](void* user_data) { *static_cast<bool*>(user_data) = true; };
  {
    TestService service;
    TestService leaver;
    EXPECT_EQ(service.Register({replaced.get()}), 0);
    EXPECT_EQ(service.Register({served.get()}), 0);
    EXPECT_EQ(service.Register({file.get()}), -EPERM);
    EXPECT_EQ(service.Register({served.get(), served.get()}), -EEXIST);

    EXPECT_EQ(leaver.Register({unregistered.get()}), 0);
    EXPECT_EQ(net_socket_service_unregister(leaver), 0);
    EXPECT_EQ(leaver.Register({closed}), 0);
    const auto set_done = [](void* arg) { *static_cast<bool*>(arg) = true; };
    EXPECT_EQ(sockhost_service_close(leaver, set_done, &done), 0);
    EXPECT_EQ(leaver.Register({waited_for}), 0);
    // Nobody closes it yet, and nobody hangs.
    EXPECT_EQ(sockhost_service_close_wait(leaver, 1), -ETIMEDOUT);
    EXPECT_TRUE(IsOpen(closed));
    EXPECT_EQ(service.calls.count(), 0u);

    const net_socket_service_desc* gone = nullptr;
    ASSERT_EQ(sockhost_service_define(&definition, &gone), 0);
    ASSERT_EQ(sockhost_service_add(gone, undefined.get(), POLLIN, &freed), 0);
    EXPECT_EQ(sockhost_service_undefine(gone), 0);
    EXPECT_FALSE(freed);
    int visits = 0;
    net_socket_service_foreach(
        [](const net_socket_service_desc*, void* arg) { ++*static_cast<int*>(arg); }, &visits);
    EXPECT_EQ(visits, 2);

    ASSERT_TRUE(ServiceHost::OfProcess().Start({}).ok());
    EXPECT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
    FinishTurns(loop);
    EXPECT_EQ(service.calls.last().event.fd, served.get());
    EXPECT_EQ(service.calls.count(), 1u);
    EXPECT_EQ(leaver.calls.count(), 0u);
    EXPECT_TRUE(done);
    EXPECT_TRUE(freed);
    EXPECT_FALSE(IsOpen(closed));
    EXPECT_FALSE(IsOpen(waited_for));
  }
  ServiceHost::OfProcess().Stop();
}

}  // namespace
}  // namespace sockhost
