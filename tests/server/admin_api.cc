#include "tests/server/admin_api.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <filesystem>

#include "server/built_in_services.h"
#include "server/listener_record.h"
#include "server/monotonic_time.h"

namespace sockhost {

TemporaryFolder::TemporaryFolder() {
  path_ = std::filesystem::temp_directory_path() / "sockhost-test.XXXXXX";
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

namespace {

std::unique_ptr<ServerCertificates> CertificatesOf(const AdminApi::Options& options) {
  if (options.certificates.certificate.empty()) return nullptr;
  return ServerCertificates::Load(options.certificates).value();
}

std::unique_ptr<AuditLog> AuditLogOf(const AdminApi::Options& options) {
  if (options.audit_log.empty()) return nullptr;
  return AuditLog::Open(options.audit_log, options.audit_fail_closed).value();
}

}  // namespace

AdminApi::AdminApi(const Options& options)
    : roles_(Roles::Load(options.roles).value()),
      certificates_(CertificatesOf(options)),
      audit_(AuditLogOf(options)),
      access_(peers_, *roles_, certificates_.get(), options.refuses_own_process ? getpid() : 0),
      watches_(
          host_, tasks_, options.max_watches, "instance",
          [this](const std::string& peer) { peers_.CutOff(peer); },
          [this](const AdminPeer& peer) { return access_.RoleOf(peer); }),
      changes_(access_),
      service_({"1.2.3", "instance", 0, absl::ZeroDuration(), false, {}, options.max_connections},
               host_, watches_, tasks_, changes_, peers_),
      guarded_(service_, access_, audit_.get(), changes_),
      acceptor_(
          options.max_connections, peers_,
          [this](const AdminPeer& peer) { return roles_->RoleOf(peer) >= AdminRole::kOperator; }),
      end_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  EXPECT_TRUE(DefineBuiltInServices(host_).ok());
  EXPECT_TRUE(host_.Start({}).ok());
  EXPECT_TRUE(acceptor_.Listen(AdminAddress{path_, {}, false}).ok());
  const auto listen = [this](const char* address) {
    const std::string bound = acceptor_.Listen(AdminAddress::Parse(address).value()).value();
    return bound.substr(bound.find("//") + 2);
  };
  tcp_address_ = listen("tcp://127.0.0.1:0");
  if (certificates_) tls_address_ = listen("tls://127.0.0.1:0");
  server_ =
      std::move(AdminServer::Start(guarded_, {access_, changes_, audit_.get(), certificates_.get()},
                                   acceptor_)
                    .value());
  acceptor_thread_ = std::thread([this] { ServeConnections(); });
  stub_ = v1::AdminService::NewStub(Connect());
}

AdminApi::~AdminApi() {
  if (acceptor_thread_.joinable()) Stop();
}

void AdminApi::ServeConnections() {
  int pause_ms = -1;
  while (true) {
    pollfd fds[] = {{end_.get(), POLLIN, 0}, {acceptor_.fd(), POLLIN, 0}};
    poll(fds, 2, pause_ms);
    if (fds[0].revents != 0) return;
    pause_ms = acceptor_.Serve();
  }
}

void AdminApi::Stop() {
  eventfd_write(end_.get(), 1);
  acceptor_thread_.join();
  server_->Stop(watches_, acceptor_, MonotonicTime() + absl::Milliseconds(500));
  tasks_.Stop();
  host_.Stop();
}

std::shared_ptr<grpc::Channel> AdminApi::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // What is sent to a client that does not read is known: 64 KiB.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(), arguments);
}

SocketAddress AdminApi::CreateListener(const std::string& id, const std::string& service,
                                       const std::string& address) {
  ListenerConfig config;
  config.name = id;
  config.service = service;
  config.address = SocketAddress::Parse(address).value();
  // Every listener that the admin API shows has one.
  v1::Listener declared;
  config.attachment = MakeListenerRecord(config.name, declared);
  return host_.CreateListener(config).value().effective_address;
}

}  // namespace sockhost
