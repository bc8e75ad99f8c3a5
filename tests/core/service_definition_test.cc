// Services that macros define, in two C sources that are linked in every way in
// which a program can be built: the CMakeLists.txt says which. One binary each.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/eventually.h"
#include "tests/core/fixtures/definitions.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Contains;
using testing::Eq;
using testing::Not;

std::vector<const net_socket_service_desc*> Known() {
  std::vector<const net_socket_service_desc*> known;
  net_socket_service_foreach(
      [](const net_socket_service_desc* service, void* user_data) {
        static_cast<std::vector<const net_socket_service_desc*>*>(user_data)->push_back(service);
      },
      &known);
  return known;
}

class DefinitionFixture : public ProcessHostFixture {
 protected:
  static std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const ServiceSnapshot& service : host().ListServices()) names.push_back(*service.name);
    return names;
  }
};

#ifndef SOCKHOST_FIXTURE_MODULE

// The build gives each binary another name for it.
class ServiceDefinitionTest : public DefinitionFixture {
 protected:
  ServiceDefinitionTest() {
    describe_definitions(&definitions_);
    describe_uses(&uses_);
  }

  definitions definitions_{};
  uses uses_{};
};

TEST_F(ServiceDefinitionTest, PublicServiceIsOneServiceInBothSources) {
  EXPECT_EQ(definitions_.fixture_public, uses_.fixture_public);
  const auto known = Known();
  EXPECT_EQ(std::count(known.begin(), known.end(), definitions_.fixture_public), 1);
}

TEST_F(ServiceDefinitionTest, PrivateServicesOfOneNameAreTwoServices) {
  EXPECT_NE(definitions_.fixture_private, uses_.fixture_private);
  EXPECT_THAT(Known(), Contains(definitions_.fixture_private));
  EXPECT_THAT(Known(), Contains(uses_.fixture_private));
  EXPECT_THAT(Names(), Contains("fixture_private"));
  EXPECT_THAT(Names(), Contains("fixture_private-2"));
  EXPECT_EQ(definitions_.fixture_private->pev_len, 2);
  EXPECT_EQ(uses_.fixture_private->pev_len, 4);
}

TEST_F(ServiceDefinitionTest, ServiceThatNothingRefersToIsKnown) {
  EXPECT_THAT(Names(), Contains("fixture_unreferenced"));
}

TEST_F(ServiceDefinitionTest, DescriptorIsReadyBeforeMain) {
  const net_socket_service_desc& service = *definitions_.fixture_public;
  EXPECT_STREQ(service.owner, definitions_.public_owner);
  EXPECT_EQ(service.pev_len, 3);
  EXPECT_GE(*service.idx, 0);
  EXPECT_NE(*service.idx, *definitions_.fixture_private->idx);
  for (int i = 0; i < service.pev_len; ++i) {
    EXPECT_EQ(service.pev[i].event.fd, -1);
    EXPECT_EQ(service.pev[i].svc, &service);
    EXPECT_NE(service.pev[i].callback, nullptr);
  }
}

TEST_F(ServiceDefinitionTest, ServiceIsServed) {
  const UniqueFd fd = EventFd(false);
  ASSERT_EQ(register_from_the_other_source(fd.get(), nullptr), 0);
  EXPECT_EQ(definitions_.fixture_public->pev[0].event.fd, fd.get());
  const int calls = definitions_.calls();
  eventfd_write(fd.get(), 1);
  EXPECT_TRUE(Becomes(definitions_.calls, Eq(calls + 1)));
  EXPECT_EQ(net_socket_service_unregister(definitions_.fixture_public), 0);
  FinishTurns(loop());
}

TEST_F(ServiceDefinitionTest, ServiceOfAMacroCannotBeUndefined) {
  EXPECT_EQ(sockhost_service_undefine(definitions_.fixture_public), -EINVAL);
  EXPECT_THAT(Known(), Contains(definitions_.fixture_public));
}

#else

class ServiceDefinitionTest : public DefinitionFixture {
 protected:
  void Load() {
    module_ = dlopen(SOCKHOST_FIXTURE_MODULE, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(module_, nullptr) << dlerror();
    const auto describe =
        reinterpret_cast<void (*)(definitions*)>(dlsym(module_, "describe_definitions"));
    ASSERT_NE(describe, nullptr) << dlerror();
    describe(&definitions_);
  }
  void Unload() {
    ASSERT_EQ(dlclose(module_), 0) << dlerror();
    ASSERT_EQ(dlopen(SOCKHOST_FIXTURE_MODULE, RTLD_NOW | RTLD_NOLOAD), nullptr);
  }

  void* module_ = nullptr;
  definitions definitions_{};
};

TEST_F(ServiceDefinitionTest, ServicesComeAndGoWithTheModule) {
  for (int round = 0; round < 3; ++round) {
    EXPECT_THAT(Names(), Not(Contains("fixture_public")));
    Load();
    EXPECT_THAT(Names(), Contains("fixture_public"));
    EXPECT_THAT(Names(), Contains("fixture_unreferenced"));
    EXPECT_THAT(Known(), Contains(definitions_.fixture_public));
    EXPECT_STREQ(definitions_.fixture_public->owner, definitions_.public_owner);
    Unload();
  }
  EXPECT_THAT(Names(), Not(Contains("fixture_unreferenced")));
}

TEST_F(ServiceDefinitionTest, ForeachIsSafeBesideTheLoadingOfAModule) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> has_seen_it{false};
    std::atomic<bool> stop{false};
    std::thread visitor([&] {
      // Once more when it is loaded: then it is visited.
      for (bool is_last = false; !is_last;) {
        is_last = stop;
        for (const net_socket_service_desc* service : Known()) {
          if (std::string(service->owner).ends_with("define_services.c:100")) has_seen_it = true;
        }
      }
    });
    Load();
    stop = true;
    visitor.join();
    EXPECT_TRUE(has_seen_it);
    Unload();
  }
}

TEST_F(ServiceDefinitionTest, LoadedServiceIsServedUntilItIsUnloaded) {
  Load();
  const UniqueFd fd = EventFd(false);
  pollfd set[1] = {{fd.get(), POLLIN, 0}};
  ASSERT_EQ(net_socket_service_register(definitions_.fixture_public, set, 1, nullptr), 0);
  eventfd_write(fd.get(), 1);
  EXPECT_TRUE(Becomes(definitions_.calls, Eq(1)));
  const net_socket_service_desc* gone = definitions_.fixture_public;
  Unload();
  EXPECT_EQ(host().sockets(), 0u);
  EXPECT_EQ(net_socket_service_unregister(gone), -ENOENT);
  // Its code is gone: a call would end the process.
  eventfd_write(fd.get(), 1);
  FinishTurns(loop());
  EXPECT_TRUE(IsOpen(fd.get()));
}

TEST_F(ServiceDefinitionTest, ListenersGoWithTheServiceWhenItIsUnloaded) {
  const LogLines log;
  Load();
  ListenerConfig config;
  config.service = "fixture_public";
  std::vector<UniqueFd> clients;
  for (const char* address : {"tcp://127.0.0.1:0", "udp://127.0.0.1:0"}) {
    config.name = absl::StrCat("l", clients.size());
    config.address = *SocketAddress::Parse(address);
    const absl::StatusOr<ListenerSnapshot> listener = host().CreateListener(config);
    ASSERT_TRUE(listener.ok()) << listener.status();
    clients.push_back(ConnectTo(listener->effective_address));
    SendText(clients.back().get(), "x");
    ASSERT_TRUE(Becomes(definitions_.calls, Eq(static_cast<int>(clients.size()))));
  }
  Unload();
  EXPECT_EQ(host().sockets(), 0u);
  EXPECT_EQ(host().listeners(), 0u);
  EXPECT_TRUE(WaitClosed(clients[0].get()));
  // A call would end the process.
  send(clients[1].get(), "y", 1, MSG_NOSIGNAL);
  FinishTurns(loop());
}

#endif

}  // namespace
}  // namespace sockhost
