#include "client/reachability.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/client/fake_admin.h"

namespace sockhost::client {
namespace {

using testing::HasSubstr;

// While it lives, the process has the permissions of nobody in particular.
class WithoutPrivileges {
 public:
  WithoutPrivileges() : saved_(geteuid()) {
    if (saved_ == 0 && seteuid(65534) != 0) ADD_FAILURE() << "cannot drop privileges";
  }
  ~WithoutPrivileges() {
    if (saved_ == 0 && seteuid(0) != 0) abort();
  }

 private:
  const uid_t saved_;
};

TEST(ExplainUnreachableTest, MissingSocketAdvisesToStartTheDaemon) {
  const Unreachable explained =
      ExplainUnreachable(*ParseAdminAddress("unix:/nonexistent/a.sock"), "grpc text");
  EXPECT_EQ(explained.message,
            "no sockhostd at unix:/nonexistent/a.sock: No such file or directory");
  EXPECT_THAT(explained.hint, HasSubstr("start sockhostd"));
}

TEST(ExplainUnreachableTest, AbstractSocketIsLookedUpByItsWholeName) {
  EXPECT_EQ(ExplainUnreachable(*ParseAdminAddress("unix:@sockctl-test-nobody"), "").message,
            "no sockhostd at unix:@sockctl-test-nobody: Connection refused");
}

TEST(ExplainUnreachableTest, MissingPermissionAdvisesAnotherUser) {
  FakeAdmin fake;
  const AdminAddress address = *ParseAdminAddress(fake.unix_address());
  std::filesystem::permissions(address.unix_path, std::filesystem::perms::none);
  const WithoutPrivileges without_privileges;
  const Unreachable explained = ExplainUnreachable(address, "grpc text");
  EXPECT_EQ(explained.message, "may not connect to " + address.text + ": Permission denied");
  EXPECT_THAT(explained.hint, HasSubstr("member of the socket's group"));
  EXPECT_THAT(explained.hint, HasSubstr("'ls -l " + address.unix_path + "'"));
}

TEST(ExplainUnreachableTest, ReasonOfTcpComesFromGrpc) {
  const AdminAddress address = *ParseAdminAddress("tcp://127.0.0.1:7");
  EXPECT_EQ(ExplainUnreachable(address,
                               "failed to connect to all addresses; last error: UNKNOWN: "
                               "ipv4:127.0.0.1:7: Failed to connect to remote host: Connection "
                               "refused")
                .message,
            "no sockhostd at tcp://127.0.0.1:7: Connection refused");
  EXPECT_EQ(ExplainUnreachable(address, "DNS resolution failed").message,
            "no sockhostd at tcp://127.0.0.1:7: DNS resolution failed");
}

}  // namespace
}  // namespace sockhost::client
