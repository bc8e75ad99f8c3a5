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

TEST(ExplainUnreachableTest, AddressWithoutSchemeIsToldWhichThereAre) {
  EXPECT_THAT(ExplainUnreachable(*ParseAdminAddress("127.0.0.1:7"), "Socket closed").hint,
              HasSubstr("127.0.0.1:7 is tcp://127.0.0.1:7, the other forms are tls://HOST:PORT"));
  EXPECT_THAT(ExplainUnreachable(*ParseAdminAddress("tcp://127.0.0.1:7"), "Socket closed").hint,
              testing::Not(HasSubstr("other forms")));
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

struct Failure {
  const char* address;
  const char* grpc_message;
  const char* message;
  const char* hint;
};

// gRPC's and OpenSSL's words, as they were seen.
TEST(ExplainUnreachableTest, FailedHandshakesAreExplained) {
  const std::string prefix = "failed to connect to all addresses; last error: ";
  for (const Failure& failure :
       {Failure{"tls://127.0.0.1:7",
                "UNKNOWN: ipv4:127.0.0.1:7: Ssl handshake failed: SSL_ERROR_SSL: "
                "error:0A000086:SSL routines::certificate verify failed",
                "not signed by an authority of --tls-ca", "--tls-ca"},
        Failure{"tls://127.0.0.1:7", "UNAVAILABLE: ipv4:127.0.0.1:7: Socket closed",
                "may not accept the certificate of --tls-cert", "--tls-client-ca"},
        Failure{"tls://127.0.0.1:7",
                "UNKNOWN: ipv4:127.0.0.1:7: Ssl handshake failed: SSL_ERROR_SSL: "
                "error:0A00010B:SSL routines::wrong version number",
                "it speaks no TLS", "tcp://"},
        Failure{"tls://127.0.0.1:7",
                "UNKNOWN: ipv4:127.0.0.1:7: Failed to connect to remote host: Connection refused",
                "no sockhostd at tls://127.0.0.1:7: Connection refused", "start sockhostd"},
        Failure{"tcp://127.0.0.1:7", "UNAVAILABLE: ipv4:127.0.0.1:7: Socket closed",
                "tcp://127.0.0.1:7 closed the connection", "tls://"}}) {
    const Unreachable explained =
        ExplainUnreachable(*ParseAdminAddress(failure.address), prefix + failure.grpc_message);
    EXPECT_THAT(explained.message, HasSubstr(failure.message));
    EXPECT_THAT(explained.hint, HasSubstr(failure.hint));
  }
}

}  // namespace
}  // namespace sockhost::client
