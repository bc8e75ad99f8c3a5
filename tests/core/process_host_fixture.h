// Tests of the C API: one host in each process.
#ifndef SOCKHOST_TESTS_CORE_PROCESS_HOST_FIXTURE_H_
#define SOCKHOST_TESTS_CORE_PROCESS_HOST_FIXTURE_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "service_core/host_parts.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_service_ext.h"
#include "tests/core/handler_calls.h"
#include "tests/core/service_thread.h"

namespace sockhost {

// A service that is known while this lives. Stands behind what its handler uses:
// when it has gone, no call is in progress.
class TestService {
 public:
  explicit TestService(int capacity = 4, void (*free_user_data)(void*) = nullptr,
                       net_socket_service_handler_t handler = HandlerCalls::Handle) {
    static int number = 0;
    name_ = std::string("service").append(std::to_string(++number));
    owner_ = std::string("owner").append(std::to_string(number)).append(".c:1");
    sockhost_service_definition definition{};
    definition.name = name_.c_str();
    definition.owner = owner_.c_str();
    definition.handler = handler;
    definition.capacity = capacity;
    definition.free_user_data = free_user_data;
    EXPECT_EQ(sockhost_service_define(&definition, &descriptor_), 0);
  }
  ~TestService() {
    if (descriptor_) {
      EXPECT_EQ(sockhost_service_undefine(descriptor_), 0);
    }
    FinishTurns(ProcessParts().loop);
  }
  TestService(const TestService&) = delete;
  TestService& operator=(const TestService&) = delete;

  operator const net_socket_service_desc*() const { return descriptor_; }
  const net_socket_service_desc* operator->() const { return descriptor_; }
  const std::string& name() const { return name_; }
  const std::string& owner() const { return owner_; }
  // The test undefined it itself.
  void Forget() { descriptor_ = nullptr; }

  // Registers the whole set for POLLIN; `calls` remembers.
  int Register(std::initializer_list<int> fds) {
    std::vector<pollfd> set;
    for (const int fd : fds) set.push_back({fd, POLLIN, 0});
    return net_socket_service_register(descriptor_, set.data(), static_cast<int>(set.size()),
                                       &calls);
  }

  ServiceSnapshot Snapshot() const {
    for (ServiceSnapshot& service : ServiceHost::OfProcess().ListServices()) {
      if (*service.name == name_) return std::move(service);
    }
    return {};
  }

  std::vector<int> DescriptorFds() const {
    std::vector<int> fds;
    for (int i = 0; i < descriptor_->pev_len; ++i) fds.push_back(descriptor_->pev[i].event.fd);
    return fds;
  }

  HandlerCalls calls;

 private:
  std::string name_;
  std::string owner_;
  const net_socket_service_desc* descriptor_ = nullptr;
};

// What each function that changes a set returns, for a host that does not serve it.
inline std::vector<int> CallEverything(const net_socket_service_desc* service, int fd) {
  pollfd set[1] = {{fd, POLLIN, 0}};
  const auto done = [](void*) { ADD_FAILURE() << "done was called"; };
  return {net_socket_service_register(service, set, 1, nullptr),
          net_socket_service_unregister(service),
          net_socket_service_close(service),
          sockhost_service_add(service, fd, POLLIN, nullptr),
          sockhost_service_modify(service, fd, POLLIN),
          sockhost_service_set_user_data(service, fd, nullptr),
          sockhost_service_remove(service, fd),
          sockhost_service_close(service, done, nullptr),
          sockhost_service_close_wait(service, -1)};
}

class ProcessHostFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (loop().state() != ServiceLoop::State::kNotStarted) return;
    const absl::Status status = host().Start({});
    ASSERT_TRUE(status.ok()) << status;
  }

  static ServiceHost& host() { return ServiceHost::OfProcess(); }
  static ServiceLoop& loop() { return ProcessParts().loop; }
  static SocketTable& table() { return ProcessParts().table; }
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_PROCESS_HOST_FIXTURE_H_
