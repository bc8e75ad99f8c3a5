#include "server/admin_acceptor.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sockhost/error.h"
#include "sockhost/unix_socket_lock.h"
#include "tests/core/eventually.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Eq;
using testing::Gt;
using testing::HasSubstr;
using testing::Le;

UniqueFd ConnectUnix(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

AdminAddress Unix(const std::string& path) { return {path, {}, false}; }
AdminAddress Tcp(const std::string& text) {
  return {"", SocketAddress::Parse(text).value(), false};
}

// What a client of HTTP/2 says first.
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

bool Everybody(const AdminPeer&) { return true; }
bool Nobody(const AdminPeer&) { return false; }

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
  AdminPeers peers_;
  AdminAcceptor acceptor_{4, peers_, Everybody};
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
    AdminAcceptor acceptor(4, peers_, Everybody);
    ASSERT_TRUE(acceptor.Listen(Unix(path_)).ok());
    EXPECT_TRUE(Exists(path_));
  }
  EXPECT_FALSE(Exists(path_));
}

TEST_F(ListenTest, FileOfSomebodyElseStays) {
  {
    AdminAcceptor acceptor(4, peers_, Everybody);
    ASSERT_TRUE(acceptor.Listen(Unix(path_)).ok());
    unlink(path_.c_str());
    ASSERT_TRUE(Listen(Unix(path_)).ok());
  }
  EXPECT_TRUE(Exists(path_));
}

TEST_F(ListenTest, LivingDaemonKeepsItsAddress) {
  ASSERT_TRUE(Listen(Unix(path_)).ok());
  AdminAcceptor second(4, peers_, Everybody);
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

TEST_F(ListenTest, PathThatAnotherDaemonOpensIsLeftToIt) {
  const UnixSocketLock other(path_);
  EXPECT_EQ(ReasonOf(Listen(Unix(path_))), Reason::kADDRESS_IN_USE);
  EXPECT_FALSE(Exists(path_));
}

TEST_F(ListenTest, FileThatIsNoSocketStays) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(ReasonOf(Listen(Unix(path_))), Reason::kADDRESS_IN_USE);
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(ListenTest, FolderThatIsNotThereIsNamedAndNotMade) {
  const absl::Status status = Listen(Unix(folder_.Path("run/admin.sock")));
  EXPECT_EQ(ReasonOf(status), Reason::kINTERNAL);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("there is no folder " + folder_.Path("run")));
  EXPECT_FALSE(Exists(folder_.Path("run")));
}

TEST_F(ListenTest, TcpAddressTellsItsPort) {
  const std::string address = acceptor_.Listen(Tcp("tcp://127.0.0.1:0")).value();
  EXPECT_GT(SocketAddress::Parse(address).value().port(), 0);
  EXPECT_TRUE(ConnectTo(SocketAddress::Parse(address).value()).valid());
}

TEST_F(ListenTest, TcpPortIsNotShared) {
  const std::string address = acceptor_.Listen(Tcp("tcp://127.0.0.1:0")).value();
  AdminAcceptor second(4, peers_, Everybody);
  const absl::Status status = second.Listen(Tcp(address)).status();
  EXPECT_EQ(ReasonOf(status), Reason::kADDRESS_IN_USE);
  EXPECT_THAT(std::string(status.message()), HasSubstr(address));
}

// ---- Connections ---------------------------------------------------------------

// An acceptor with a gRPC server behind it, served by the test.
class ConnectionsTest : public testing::Test {
 protected:
  ConnectionsTest() { Start(2, Everybody); }

  void Start(size_t max_connections, AdminAcceptor::IsOperator is_operator) {
    acceptor_ = std::make_unique<AdminAcceptor>(max_connections, peers_, std::move(is_operator));
    EXPECT_TRUE(acceptor_->Listen(Unix(path_)).ok());
    tcp_ = SocketAddress::Parse(acceptor_->Listen(Tcp("tcp://127.0.0.1:0")).value()).value();
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    acceptor_->SetServer(*server_);
  }
  ~ConnectionsTest() override { acceptor_->ShutdownConnections(); }

  size_t ConnectionsAfterServe() {
    acceptor_->Serve();
    return acceptor_->connections();
  }

  // Serves until gRPC answers: it sends its settings.
  bool IsServed(int fd) {
    return static_cast<bool>(Becomes(
        [&] {
          acceptor_->Serve();
          pollfd readable{fd, POLLIN, 0};
          char byte;
          return poll(&readable, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK) == 1;
        },
        Eq(true)));
  }
  // Serves until the acceptor has closed the connection.
  bool IsClosed(int fd) {
    return static_cast<bool>(Becomes(
        [&] {
          acceptor_->Serve();
          pollfd ended{fd, POLLIN, 0};
          char byte;
          return poll(&ended, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
        },
        Eq(true)));
  }
  UniqueFd ConnectAndSpeak() {
    UniqueFd client = ConnectUnix(path_);
    SendText(client.get(), kPreface);
    return client;
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.Path("admin.sock");
  AdminPeers peers_;
  v1::AdminService::CallbackService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<AdminAcceptor> acceptor_;
  SocketAddress tcp_;
};

TEST_F(ConnectionsTest, GoToGrpcWhenTheySpeakHttp) {
  const UniqueFd local = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(local.get()));
  const UniqueFd remote = ConnectTo(tcp_);
  SendText(remote.get(), kPreface);
  EXPECT_TRUE(IsServed(remote.get()));
}

TEST_F(ConnectionsTest, MaySpeakInPieces) {
  const UniqueFd client = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 1u);
  const std::string preface = kPreface;
  SendText(client.get(), preface.substr(0, 7));
  EXPECT_EQ(ConnectionsAfterServe(), 1u);
  SendText(client.get(), preface.substr(7));
  EXPECT_TRUE(IsServed(client.get()));
}

TEST_F(ConnectionsTest, ThatSpeakAnotherLanguageAreClosed) {
  for (const char* text : {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "PRI * HTTP/1"}) {
    const UniqueFd client = ConnectUnix(path_);
    SendText(client.get(), text);
    EXPECT_TRUE(IsClosed(client.get())) << text;
    EXPECT_EQ(acceptor_->connections(), 0u);
  }
}

TEST_F(ConnectionsTest, ThatAreSilentMustBeLookedAfter) {
  const UniqueFd client = ConnectUnix(path_);
  EXPECT_THAT(acceptor_->Serve(), AllOf(Gt(0), Le(5001)));
  EXPECT_EQ(acceptor_->connections(), 1u);
}

TEST_F(ConnectionsTest, AreForgottenWhenTheyEnd) {
  UniqueFd first = ConnectAndSpeak();
  UniqueFd second = ConnectUnix(path_);
  EXPECT_TRUE(IsServed(first.get()));
  EXPECT_EQ(acceptor_->connections(), 2u);
  first.reset();
  EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(1u)));
  second.reset();
  EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(0u)));
}

TEST_F(ConnectionsTest, OneMoreThanTheLimitIsClosed) {
  UniqueFd first = ConnectAndSpeak();
  const UniqueFd second = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(first.get()));
  EXPECT_TRUE(IsServed(second.get()));
  const UniqueFd third = ConnectAndSpeak();
  EXPECT_TRUE(IsClosed(third.get()));
  first.reset();
  EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(1u)));
  const UniqueFd fourth = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(fourth.get()));
}

TEST_F(ConnectionsTest, OneThatIsSilentMakesPlaceForAnother) {
  const UniqueFd speaking = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(speaking.get()));
  const UniqueFd silent = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 2u);
  const UniqueFd another = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(another.get()));
  EXPECT_TRUE(IsClosed(silent.get()));
  EXPECT_EQ(acceptor_->connections(), 2u);
}

TEST_F(ConnectionsTest, OneThatHasSpokenMakesNoPlaceThoughNobodyHasLookedYet) {
  const UniqueFd first = ConnectAndSpeak();
  const UniqueFd second = ConnectAndSpeak();
  const UniqueFd third = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(first.get()));
  EXPECT_TRUE(IsServed(second.get()));
  EXPECT_TRUE(IsClosed(third.get()));
}

// gRPC has the connection and does not read from it, as where a peer reads nothing of what it
// provokes. Ends the process: 0 if the acceptor has kept it until it was cut off.
[[noreturn]] void HalfCloseUnread(AdminAcceptor& acceptor, AdminPeers& peers,
                                  const std::string& path) {
  grpc::ServerBuilder builder;
  grpc::AsyncGenericService service;
  builder.RegisterAsyncGenericService(&service);
  // That nobody drives it is why nothing is read.
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  acceptor.SetServer(*server);
  const UniqueFd client = ConnectUnix(path);
  SendText(client.get(), kPreface);
  acceptor.Serve();
  EXPECT_EQ(shutdown(client.get(), SHUT_WR), 0);
  acceptor.Serve();
  EXPECT_EQ(acceptor.connections(), 1u) << "it has its place";
  for (int number = 0; number < 100; ++number) peers.CutOff(AdminPeers::NameOf(number));
  acceptor.Serve();
  EXPECT_EQ(acceptor.connections(), 0u) << "it could be cut off";
  _exit(testing::Test::HasFailure() ? 1 : 0);
}

TEST_F(ListenTest, ConnectionThatIsHalfClosedIsKnownUntilItEnds) {
  // A process of its own: servers of other tests would read for all.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ASSERT_TRUE(Listen(Unix(path_)).ok());
  EXPECT_EXIT(HalfCloseUnread(acceptor_, peers_, path_), testing::ExitedWithCode(0), "");
}

class PlacesTest : public ConnectionsTest {
 protected:
  // Connections that gRPC has; returns how many of `count` were taken.
  size_t Take(const std::function<UniqueFd()>& connect, size_t count) {
    const size_t before = acceptor_->connections();
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(connect());
      SendText(clients_.back().get(), kPreface);
      acceptor_->Serve();
    }
    return acceptor_->connections() - before;
  }
  size_t TakeTcp(size_t count) {
    return Take([this] { return ConnectTo(tcp_); }, count);
  }
  size_t TakeUnix(size_t count) {
    return Take([this] { return ConnectUnix(path_); }, count);
  }

  std::vector<UniqueFd> clients_;
};

TEST_F(PlacesTest, LastQuarterIsForUnixSockets) {
  Start(16, Everybody);
  EXPECT_EQ(TakeTcp(20), 12u);
  EXPECT_EQ(TakeUnix(20), 4u);
}

TEST_F(PlacesTest, LastTwoAreForOperators) {
  bool is_operator = false;
  Start(16, [&is_operator](const AdminPeer& peer) {
    EXPECT_EQ(peer.uid, getuid());
    return is_operator;
  });
  EXPECT_EQ(TakeUnix(20), 14u);
  is_operator = true;
  EXPECT_EQ(TakeUnix(20), 2u);
}

// As another process; the fd is ours.
UniqueFd ConnectFromChild(const std::string& path) {
  UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const pid_t child = fork();
  if (child == 0) {
    _exit(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)));
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return client;
}

TEST_F(PlacesTest, OfAnOperatorIsNotForSomebodyElse) {
  Start(16, [](const AdminPeer& peer) { return peer.pid == getpid(); });
  const UniqueFd silent = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 1u);
  EXPECT_EQ(TakeUnix(13), 13u);
  const UniqueFd stranger = ConnectFromChild(path_);
  EXPECT_TRUE(IsClosed(stranger.get()));
  SendText(silent.get(), kPreface);
  EXPECT_TRUE(IsServed(silent.get()));
}

TEST_F(PlacesTest, AreGivenInTurnsHoweverManyWait) {
  Start(400, Everybody);
  for (int i = 0; i < 200; ++i) clients_.push_back(ConnectTo(tcp_));
  const UniqueFd local = ConnectUnix(path_);
  // The one on the unix socket, and some of the others.
  EXPECT_THAT(ConnectionsAfterServe(), AllOf(Gt(1u), testing::Lt(200u)));
  SendText(local.get(), kPreface);
  acceptor_->Serve();
  EXPECT_THAT(acceptor_->connections(), testing::Lt(201u));
  EXPECT_TRUE(IsServed(local.get()));
  EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(201u)));
}

TEST_F(PlacesTest, AreAllForEverybodyWhereTheyAreFew) {
  Start(4, Nobody);
  EXPECT_EQ(TakeTcp(20), 4u);
}

TEST_F(ConnectionsTest, WithoutFdsOneIsServedAndOthersWait) {
  const UniqueFd operators = ConnectAndSpeak();
  const UniqueFd other = ConnectAndSpeak();
  {
    const NoMoreFds full;
    EXPECT_THAT(acceptor_->Serve(), AllOf(Gt(0), Le(100)));
    EXPECT_EQ(acceptor_->connections(), 1u);
    EXPECT_TRUE(IsServed(operators.get()));
    EXPECT_EQ(acceptor_->connections(), 1u);
  }
  EXPECT_TRUE(IsServed(other.get()));
  EXPECT_EQ(acceptor_->connections(), 2u);
}

TEST_F(ConnectionsTest, OfTcpWaitWhileThereAreNoFds) {
  const UniqueFd client = ConnectTo(tcp_);
  SendText(client.get(), kPreface);
  {
    const NoMoreFds full;
    EXPECT_THAT(acceptor_->Serve(), Gt(0));
    EXPECT_EQ(acceptor_->connections(), 0u);
  }
  EXPECT_TRUE(IsServed(client.get()));
}

TEST_F(ConnectionsTest, SpareFdsAreOpenedAgain) {
  for (int i = 0; i < 3; ++i) {
    UniqueFd client = ConnectAndSpeak();
    {
      const NoMoreFds full;
      EXPECT_TRUE(IsServed(client.get()));
    }
    client.reset();
    EXPECT_TRUE(Becomes([this] { return ConnectionsAfterServe(); }, Eq(0u)));
  }
}

TEST_F(ConnectionsTest, OfWhichOnlyOneFdCanBeMadeAreClosed) {
  const UniqueFd client = ConnectTo(tcp_);
  {
    const NoMoreFds full(/*spare=*/1);
    acceptor_->Serve();
  }
  EXPECT_EQ(acceptor_->connections(), 0u);
  EXPECT_TRUE(WaitClosed(client.get()));
}

TEST_F(ConnectionsTest, ShutdownEndsThem) {
  const UniqueFd client = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(client.get()));
  const UniqueFd silent = ConnectUnix(path_);
  EXPECT_EQ(ConnectionsAfterServe(), 2u);
  acceptor_->ShutdownConnections();
  EXPECT_EQ(acceptor_->connections(), 0u);
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(WaitClosed(silent.get()));
}

TEST_F(ConnectionsTest, NoneIsTakenAfterStopListening) {
  const UniqueFd before = ConnectAndSpeak();
  EXPECT_TRUE(IsServed(before.get()));
  acceptor_->StopListening();
  EXPECT_FALSE(Exists(path_));
  EXPECT_EQ(ConnectionsAfterServe(), 1u) << "those that are open live on";
}

}  // namespace
}  // namespace sockhost
