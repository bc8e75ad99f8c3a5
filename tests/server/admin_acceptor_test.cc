#include "server/admin_acceptor.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "sockhost/error.h"
#include "tests/core/eventually.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Gt;
using testing::HasSubstr;

UniqueFd ConnectUnix(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

AdminAddress Unix(const std::string& path) { return {path, {}}; }
AdminAddress Tcp(const std::string& text) { return {"", SocketAddress::Parse(text).value()}; }

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Reason ReasonOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  EXPECT_TRUE(detail) << status;
  return detail ? detail->reason : Reason::kINTERNAL;
}

// ---- Addresses -----------------------------------------------------------------

class ListenTest : public testing::Test {
 protected:
  absl::Status Listen(const AdminAddress& address) { return acceptor_.Listen(address).status(); }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.Path("admin.sock");
  AdminAcceptor acceptor_{4};
};

TEST_F(ListenTest, SocketIsForOwnerAndGroupWhateverTheMask) {
  for (const mode_t mask : {0000, 0077, 0777}) {
    const std::string path = folder_.Path(std::to_string(mask));
    const mode_t before = umask(mask);
    EXPECT_EQ(acceptor_.Listen(Unix(path)).value(), "unix:" + path);
    EXPECT_EQ(umask(before), mask) << "the mask of the process is left as it was";
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFSOCK | 0660u);
  }
}

TEST_F(ListenTest, FileGoesWithTheAcceptor) {
  {
    AdminAcceptor acceptor(4);
    ASSERT_TRUE(acceptor.Listen(Unix(path_)).ok());
    EXPECT_TRUE(Exists(path_));
  }
  EXPECT_FALSE(Exists(path_));
}

TEST_F(ListenTest, FileOfSomebodyElseStays) {
  {
    AdminAcceptor acceptor(4);
    ASSERT_TRUE(acceptor.Listen(Unix(path_)).ok());
    unlink(path_.c_str());
    ASSERT_TRUE(Listen(Unix(path_)).ok());
  }
  EXPECT_TRUE(Exists(path_));
}

TEST_F(ListenTest, LivingDaemonKeepsItsAddress) {
  ASSERT_TRUE(Listen(Unix(path_)).ok());
  AdminAcceptor second(4);
  const absl::Status status = second.Listen(Unix(path_)).status();
  EXPECT_EQ(ReasonOf(status), Reason::kADDRESS_IN_USE);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  EXPECT_TRUE(ConnectUnix(path_).valid());
}

TEST_F(ListenTest, SocketOfADeadDaemonIsReplaced) {
  {
    const UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ASSERT_TRUE(Exists(path_));
  EXPECT_TRUE(Listen(Unix(path_)).ok());
  EXPECT_TRUE(ConnectUnix(path_).valid());
}

TEST_F(ListenTest, FileThatIsNoSocketStays) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(ReasonOf(Listen(Unix(path_))), Reason::kADDRESS_IN_USE);
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(ListenTest, LastFolderOfThePathIsMade) {
  EXPECT_TRUE(Listen(Unix(folder_.Path("run/admin.sock"))).ok());
  EXPECT_EQ(ReasonOf(Listen(Unix(folder_.Path("no/such/admin.sock")))), Reason::kINTERNAL);
}

TEST_F(ListenTest, TcpAddressTellsItsPort) {
  const std::string address = acceptor_.Listen(Tcp("tcp://127.0.0.1:0")).value();
  EXPECT_GT(SocketAddress::Parse(address).value().port(), 0);
  EXPECT_TRUE(ConnectTo(SocketAddress::Parse(address).value()).valid());
}

TEST_F(ListenTest, TcpPortIsNotShared) {
  const std::string address = acceptor_.Listen(Tcp("tcp://127.0.0.1:0")).value();
  AdminAcceptor second(4);
  const absl::Status status = second.Listen(Tcp(address)).status();
  EXPECT_EQ(ReasonOf(status), Reason::kADDRESS_IN_USE);
  EXPECT_THAT(std::string(status.message()), HasSubstr(address));
}

// ---- Connections ---------------------------------------------------------------

// An acceptor with a gRPC server behind it, served by the test.
class ConnectionsTest : public testing::Test {
 protected:
  ConnectionsTest() {
    EXPECT_TRUE(acceptor_.Listen(Unix(path_)).ok());
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    acceptor_.Attach(builder);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
  }
  ~ConnectionsTest() override { acceptor_.ShutdownConnections(); }

  size_t ConnectionsAfterServe() {
    EXPECT_EQ(acceptor_.Serve(), -1);
    return acceptor_.connections();
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.Path("admin.sock");
  AdminAcceptor acceptor_{2};
  v1::AdminService::CallbackService service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ConnectionsTest, AreForgottenWhenTheyEnd) {
  UniqueFd first = ConnectUnix(path_);
  UniqueFd second = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 2u);
  first.reset();
  EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(1u)));
}

TEST_F(ConnectionsTest, OneMoreThanTheLimitIsClosed) {
  const UniqueFd first = ConnectUnix(path_);
  UniqueFd second = ConnectUnix(path_);
  const UniqueFd third = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 2u);
  EXPECT_TRUE(WaitClosed(third.get()));
  second.reset();
  EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(1u)));
  const UniqueFd fourth = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 2u);
  // gRPC speaks first: it sends its settings.
  EXPECT_TRUE(WaitReadable(fourth.get()));
}

TEST_F(ConnectionsTest, WaitWhileThereAreNoFds) {
  const UniqueFd client = ConnectUnix(path_);
  {
    const NoMoreFds full;
    EXPECT_THAT(acceptor_.Serve(), Gt(0));
    EXPECT_EQ(acceptor_.connections(), 0u);
  }
  EXPECT_EQ(ConnectionsAfterServe(), 1u);
  EXPECT_TRUE(WaitReadable(client.get()));
}

TEST_F(ConnectionsTest, OfWhichOnlyOneFdCanBeMadeAreClosed) {
  const UniqueFd client = ConnectUnix(path_);
  {
    const NoMoreFds full(/*spare=*/1);
    acceptor_.Serve();
  }
  EXPECT_EQ(acceptor_.connections(), 0u);
  EXPECT_TRUE(WaitClosed(client.get()));
}

TEST_F(ConnectionsTest, ShutdownEndsThem) {
  const UniqueFd client = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 1u);
  acceptor_.ShutdownConnections();
  EXPECT_EQ(acceptor_.connections(), 0u);
  EXPECT_TRUE(WaitClosed(client.get()));
}

TEST_F(ConnectionsTest, NoneIsTakenAfterStopListening) {
  const UniqueFd before = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 1u);
  acceptor_.StopListening();
  EXPECT_FALSE(Exists(path_));
  EXPECT_EQ(ConnectionsAfterServe(), 1u) << "those that are open live on";
}

}  // namespace
}  // namespace sockhost
