// The C API after the end of the host of the process.
#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "sockhost/registration.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Each;
using testing::Eq;

const net_socket_service_desc* Define(const char* name) {
  sockhost_service_definition definition{};
  definition.name = name;
  definition.handler = [](net_socket_service_event*) {};
  definition.capacity = 4;
  const net_socket_service_desc* service = nullptr;
  EXPECT_EQ(sockhost_service_define(&definition, &service), 0);
  return service;
}

// Closes its set again and again, each time when the last one is done, until that is refused.
struct EndlessCloser {
  const net_socket_service_desc* service;
  // The host is about to be stopped: it must be refused after so many times.
  std::atomic<bool> counts{false};
  int left = 1'000'000;
  std::atomic<int> result{0};

  void Close() {
    const auto again = [](void* self) { static_cast<EndlessCloser*>(self)->Close(); };
    if (counts && --left == 0) return;
    result = sockhost_service_close(service, again, this);
  }
};

struct Ignorer {
  void OnReady(const net_socket_service_event&) {}
};

// One test: a process has one end.
TEST(StoppedHostTest, EveryCallIsRefusedAfterTheEndAndNoneHangsDuringIt) {
  ServiceHost& host = ServiceHost::OfProcess();
  ASSERT_TRUE(host.Start({}).ok());
  const net_socket_service_desc* service = Define("service");
  const UniqueFd fd = EventFd(false);
  pollfd set[1] = {{fd.get(), POLLIN, 0}};
  ASSERT_EQ(net_socket_service_register(service, set, 1, nullptr), 0);

  auto objects = SocketService<&Ignorer::OnReady>::Define("objects", 2);
  ASSERT_TRUE(objects.ok()) << objects.status();
  const UniqueFd object_fd = EventFd(false);
  auto registered = objects->Register(object_fd.get(), POLLIN);
  ASSERT_TRUE(registered.ok()) << registered.status();

  // These wait for the thread again and again, until it is gone.
  std::atomic<int> rounds{0};
  std::vector<std::thread> waiters;
  for (const char* name : {"first-waiter", "second-waiter"}) {
    const net_socket_service_desc* waited = Define(name);
    waiters.emplace_back([waited, &rounds] {
      int result = 0;
      while (result == 0) {
        UniqueFd fd = EventFd(false);
        result = sockhost_service_add(waited, fd.get(), POLLIN, nullptr);
        if (result != 0) break;
        result = sockhost_service_close_wait(waited, -1);
        // Closed if, and only if, the call says so.
        if (result == 0) fd.release();
        ++rounds;
      }
      EXPECT_EQ(result, -EIO);
    });
  }
  while (rounds < 100) std::this_thread::yield();
  EndlessCloser closer{Define("closer")};
  closer.Close();
  closer.counts = true;
  host.Stop();
  EXPECT_EQ(closer.result, -EIO);
  for (std::thread& waiter : waiters) waiter.join();

  EXPECT_THAT(CallEverything(service, fd.get()), Each(Eq(-EIO)));
  EXPECT_TRUE(IsOpen(fd.get()));
  EXPECT_EQ(objects->Register(fd.get(), POLLIN).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(registered->SetEvents(POLLOUT).code(), absl::StatusCode::kUnavailable);
  // Services are still known, and errors of arguments still come first.
  EXPECT_EQ(net_socket_service_register(nullptr, set, 1, nullptr), -EINVAL);
  int visits = 0;
  net_socket_service_foreach(
      [](const net_socket_service_desc*, void* arg) { ++*static_cast<int*>(arg); }, &visits);
  EXPECT_EQ(visits, 5);
  EXPECT_EQ(sockhost_service_undefine(service), 0);
}

}  // namespace
}  // namespace sockhost
