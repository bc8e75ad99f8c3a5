// Handshakes with the real server, good and bad.
#include "server/server_certificates.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "sockhost/error.h"
#include "tests/core/eventually.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"
#include "tests/server/admin_api.h"
#include "tests/server/test_authority.h"

namespace sockhost {
namespace {

using grpc::StatusCode;

constexpr char kServerNames[] = "DNS:localhost,IP:127.0.0.1";

class ServerCertificatesTest : public testing::Test {
 protected:
  ServerCertificatesTest() {
    Write(files_.client_ca, clients_.certificate());
    WritePair(servers_.Sign(kServerNames));
    Write(files_.crl, clients_.Revoke({}));
    Write(roles_, "tls:* viewer\nunix:* admin\n");
    AdminApi::Options options;
    options.roles = roles_;
    options.certificates = files_;
    api_ = std::make_unique<AdminApi>(options);
  }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }
  void WritePair(const TestPair& pair) {
    Write(files_.certificate, pair.certificate);
    Write(files_.key, pair.key);
  }

  // A new connection; the code of one call on it.
  grpc::Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                    const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub =
        v1::AdminService::NewStub(grpc::CreateCustomChannel(address, credentials, arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    v1::Host host;
    return stub->GetHost(&context, {}, &host);
  }
  grpc::Status CallTls(const TestPair& pair, const TestAuthority& trusted) {
    return Call(grpc::SslCredentials({trusted.certificate(), pair.key, pair.certificate}),
                api_->tls_address());
  }
  grpc::Status CallTls(const TestPair& pair) { return CallTls(pair, servers_); }

  const TemporaryFolder folder_;
  const TestAuthority servers_{"servers"};
  const TestAuthority clients_{"clients"};
  const CertificateFiles files_{folder_.Path("server.crt"), folder_.Path("server.key"),
                                folder_.Path("ca.crt"), folder_.Path("crl.pem")};
  const std::string roles_ = folder_.Path("roles");
  std::unique_ptr<AdminApi> api_;
};

TEST_F(ServerCertificatesTest, ClientOfTheAuthorityIsServed) {
  const grpc::Status status = CallTls(clients_.Sign("DNS:client.test"));
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// More of them than there are places, and none has a certificate.
TEST_F(ServerCertificatesTest, SilentConnectionsMakePlaceButThoseWithCallsStay) {
  const TestPair pair = clients_.Sign("DNS:client.test");
  const auto stub = v1::AdminService::NewStub(grpc::CreateChannel(
      api_->tls_address(),
      grpc::SslCredentials({servers_.certificate(), pair.key, pair.certificate})));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 2 * kDeadline);
  const auto stream = stub->WatchSockets(&context, {});
  v1::WatchSocketsResponse sample;
  ASSERT_TRUE(stream->Read(&sample));

  const auto address = SocketAddress::Parse("tcp://" + api_->tls_address()).value();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(ConnectTo(address));
  const grpc::Status status = CallTls(pair);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(stream->Read(&sample));
  // The oldest was the first to go.
  char byte;
  EXPECT_LE(recv(silent.front().get(), &byte, 1, 0), 0);
  context.TryCancel();
  while (stream->Read(&sample)) {
  }
  stream->Finish();
}

TEST_F(ServerCertificatesTest, OthersDoNotGetThroughTheHandshake) {
  const absl::Time now = absl::Now();
  const TestAuthority stranger("clients");  // the name alone does not help
  EXPECT_EQ(CallTls(stranger.Sign("DNS:client.test")).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallTls(servers_.Sign("DNS:client.test")).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallTls(clients_.Sign("DNS:client.test", now - absl::Hours(2), now - absl::Hours(1)))
                .error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallTls(clients_.Sign("DNS:client.test", now + absl::Hours(1), now + absl::Hours(2)))
                .error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(grpc::SslCredentials({servers_.certificate(), "", ""}), api_->tls_address())
                .error_code(),
            StatusCode::UNAVAILABLE);
}

TEST_F(ServerCertificatesTest, ClientRefusesADaemonOfAnotherAuthority) {
  EXPECT_EQ(CallTls(clients_.Sign("DNS:client.test"), clients_).error_code(),
            StatusCode::UNAVAILABLE);
}

TEST_F(ServerCertificatesTest, PlaintextAndTlsDoNotMix) {
  EXPECT_EQ(Call(grpc::InsecureChannelCredentials(), api_->tls_address()).error_code(),
            StatusCode::UNAVAILABLE);
  const TestPair pair = clients_.Sign("DNS:client.test");
  EXPECT_EQ(Call(grpc::SslCredentials({servers_.certificate(), pair.key, pair.certificate}),
                 api_->tcp_address())
                .error_code(),
            StatusCode::UNAVAILABLE);
}

TEST_F(ServerCertificatesTest, RevokedClientDoesNotGetThroughTheHandshake) {
  const TestPair good = clients_.Sign("DNS:client.test");
  const TestPair bad = clients_.Sign("DNS:client.test");
  EXPECT_TRUE(CallTls(bad).ok());
  Write(files_.crl, clients_.Revoke({bad.certificate}));
  ASSERT_TRUE(api_->certificates().Reload().ok());
  EXPECT_EQ(CallTls(bad).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(CallTls(good).ok());
  Write(files_.crl, clients_.Revoke({}));
  ASSERT_TRUE(api_->certificates().Reload().ok());
  EXPECT_TRUE(CallTls(bad).ok());
}

TEST_F(ServerCertificatesTest, ClientThatIsRevokedWhileConnectedIsDenied) {
  const TestPair pair = clients_.Sign("DNS:client.test");
  const auto stub = v1::AdminService::NewStub(grpc::CreateChannel(
      api_->tls_address(),
      grpc::SslCredentials({servers_.certificate(), pair.key, pair.certificate})));
  const auto code = [&stub] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    v1::Host host;
    return stub->GetHost(&context, {}, &host).error_code();
  };
  EXPECT_EQ(code(), StatusCode::OK);
  Write(files_.crl, clients_.Revoke({pair.certificate}));
  ASSERT_TRUE(api_->certificates().Reload().ok());
  EXPECT_EQ(code(), StatusCode::PERMISSION_DENIED);
}

// The client sends the certificate of the authority in the middle along with its own.
TEST_F(ServerCertificatesTest, RevokedAuthorityInTheMiddleIsRefusedAndOpenConnectionsDenied) {
  const TestAuthority middle("middle", &clients_);
  TestPair pair = middle.Sign("DNS:client.test");
  pair.certificate += middle.certificate();
  const auto stub = v1::AdminService::NewStub(grpc::CreateChannel(
      api_->tls_address(),
      grpc::SslCredentials({servers_.certificate(), pair.key, pair.certificate})));
  grpc::ClientContext context;
  const auto stream = stub->WatchEvents(&context, {});
  v1::WatchEventsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  Write(files_.crl, clients_.Revoke({middle.certificate()}));
  ASSERT_TRUE(api_->certificates().Reload().ok());
  api_->watches().CheckRoles();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::PERMISSION_DENIED);
  grpc::ClientContext late_context;
  v1::Host host;
  EXPECT_EQ(stub->GetHost(&late_context, {}, &host).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(CallTls(pair).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(CallTls(clients_.Sign("DNS:client.test")).ok());
}

// F25: a bad pair every third time, while clients connect all the time.
TEST_F(ServerCertificatesTest, RotationFailsNoHandshake) {
  constexpr int kRotations = 100;
  const TestPair client = clients_.Sign("DNS:client.test");
  std::atomic<bool> stop{false};
  std::atomic<int> served{0};
  std::atomic<int> failed{0};
  std::thread clients([&] {
    while (!stop) ++(CallTls(client).ok() ? served : failed);
  });
  int refused = 0;
  for (int i = 0; i < kRotations; ++i) {
    TestPair pair = servers_.Sign(kServerNames);
    const bool is_bad = i % 3 == 0;
    if (is_bad) pair.key = servers_.Sign(kServerNames).key;
    WritePair(pair);
    EXPECT_EQ(api_->certificates().Reload().ok(), !is_bad) << i;
    refused += is_bad ? 1 : 0;
    const int before = served + failed;
    EXPECT_TRUE(Becomes([&] { return served + failed; }, testing::Gt(before)));
  }
  stop = true;
  clients.join();
  EXPECT_EQ(failed, 0) << "of " << served + failed;
  EXPECT_EQ(refused, 34);
}

// What gRPC is given to read.
std::vector<std::string> MemoryFiles() {
  std::vector<std::string> contents;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry, gone).string();
    if (!absl::StartsWith(target, "/memfd:sockhost")) continue;
    std::ifstream file(entry.path());
    contents.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return contents;
}

TEST_F(ServerCertificatesTest, WithoutRoomForTheWholeNewSetAllOfTheOldOneStays) {
  const auto before = api_->certificates().current();
  const std::vector<std::string> files = MemoryFiles();
  ASSERT_THAT(files, testing::SizeIs(2));
  const TestAuthority others("others");
  WritePair(others.Sign(kServerNames));
  Write(files_.client_ca, others.certificate());
  Write(files_.crl, others.Revoke({}));
  absl::Status status;
  {
    const NoMoreFds one_more(1);
    status = api_->certificates().Reload();
  }
  ASSERT_TRUE(DetailOf(status).has_value()) << status;
  EXPECT_EQ(DetailOf(status)->reason, Reason::kFD_LIMIT);
  EXPECT_EQ(api_->certificates().current(), before);
  EXPECT_EQ(MemoryFiles(), files);
  ASSERT_TRUE(api_->certificates().Reload().ok());
  EXPECT_NE(api_->certificates().current(), before);
  EXPECT_NE(MemoryFiles(), files);
}

TEST_F(ServerCertificatesTest, NewPairIsPresentedToNewConnections) {
  const TestAuthority other("others");
  const TestPair client = clients_.Sign("DNS:client.test");
  EXPECT_TRUE(CallTls(client, servers_).ok());
  WritePair(other.Sign(kServerNames));
  ASSERT_TRUE(api_->certificates().Reload().ok());
  EXPECT_TRUE(Becomes([&] { return CallTls(client, other).ok(); }, testing::IsTrue()));
  EXPECT_EQ(CallTls(client, servers_).error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace sockhost
