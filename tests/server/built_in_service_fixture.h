// A host that runs the built-in services.
#ifndef SOCKHOST_TESTS_SERVER_BUILT_IN_SERVICE_FIXTURE_H_
#define SOCKHOST_TESTS_SERVER_BUILT_IN_SERVICE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/built_in_services.h"
#include "sockhost/service_host.h"

namespace sockhost {

class BuiltInServiceTest : public testing::Test {
 protected:
  BuiltInServiceTest() {
    EXPECT_TRUE(DefineBuiltInServices(host_).ok());
    EXPECT_TRUE(host_.Start({}).ok());
  }

  // Opens a listener called "web"; returns where it listens.
  SocketAddress Listen(const std::string& service, const std::string& address,
                       std::shared_ptr<const ServiceParameters> parameters = nullptr) {
    ListenerConfig config;
    config.parameters = std::move(parameters);
    config.name = "web";
    config.service = service;
    config.address = SocketAddress::Parse(address).value();
    return host_.CreateListener(config).value().effective_address;
  }

  CounterValues Counters() const { return host_.FindListener("web")->counters; }
  int64_t Count(Counter counter) const { return Counters()[counter]; }

  // The only connection there is.
  std::optional<SocketSnapshot> Connection() const {
    std::optional<SocketSnapshot> found;
    host_.ForEachSocket([&found](SocketSnapshot&& socket) {
      if (socket.role == Role::kConnection) found = std::move(socket);
    });
    return found;
  }

  ServiceHost host_;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_SERVER_BUILT_IN_SERVICE_FIXTURE_H_
