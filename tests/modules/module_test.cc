// Modules in a program that embeds the core. What sockhostd makes of bad ones is
// tested in refused_modules_test.py.
#include "sockhost/module.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "sockhost/service_host.h"

namespace sockhost {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string File(const std::string& module) {
  return std::string(SOCKHOST_MODULE_DIR) + "/" + module + ".so";
}

std::vector<std::string> Services() {
  std::vector<std::string> names;
  for (const ServiceSnapshot& service : ServiceHost::OfProcess().ListServices()) {
    names.push_back(*service.name);
  }
  return names;
}

class ModuleTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const absl::Status started = ServiceHost::OfProcess().Start({});
    ASSERT_TRUE(started.ok()) << started;
  }
  // Before the destructors of the modules.
  static void TearDownTestSuite() { ServiceHost::OfProcess().Stop(); }
};

TEST_F(ModuleTest, CheckedModuleIsNotLoaded) {
  EXPECT_TRUE(CheckModule(File("throwing_handler")).ok());
  EXPECT_THAT(Services(), Not(Contains("thrower")));
}

TEST_F(ModuleTest, ServicesOfALoadedModuleAreKnown) {
  const absl::Status status = LoadModule(File("second_echo"));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(Services(), Contains("echo"));
}

TEST_F(ModuleTest, SecondLoadIsRefused) {
  ASSERT_TRUE(LoadModule(File("shout")).ok());
  const absl::Status status = LoadModule(File("shout"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("it is loaded already"));
}

TEST_F(ModuleTest, FailedModuleTakesItsServicesBackAndTheHostGoesOn) {
  const absl::Status status = LoadModule(File("init_Fail"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Fail: returned -98"));
  EXPECT_THAT(Services(), Not(Contains("half-done")));
  EXPECT_EQ(ServiceHost::OfProcess().sockets(), 0u);
  // The same name is free again.
  EXPECT_TRUE(LoadModule(File("defines_half_done")).ok());
  EXPECT_THAT(Services(), Contains("half-done"));
}

}  // namespace
}  // namespace sockhost
