#include "tests/server/admin_api.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <filesystem>

#include "server/built_in_services.h"
#include "server/listener_record.h"

namespace sockhost {

TemporaryFolder::TemporaryFolder() {
  path_ = std::filesystem::temp_directory_path() / "sockhost-test.XXXXXX";
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

AdminApi::AdminApi(const Options& options)
    : watches_(host_, tasks_, options.max_watches, "instance"),
      service_({"1.2.3", "instance", 0, false, {}}, host_, watches_, tasks_),
      acceptor_(options.max_connections),
      end_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  EXPECT_TRUE(DefineBuiltInServices(host_).ok());
  EXPECT_TRUE(host_.Start({}).ok());
  EXPECT_TRUE(acceptor_.Listen(AdminAddress{path_, {}}).ok());
  server_ = std::move(AdminServer::Start(service_, acceptor_).value());
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
    poll(fds, pause_ms < 0 ? 2 : 1, pause_ms);
    if (fds[0].revents != 0) return;
    pause_ms = acceptor_.Serve();
  }
}

void AdminApi::Stop() {
  eventfd_write(end_.get(), 1);
  acceptor_thread_.join();
  server_->Stop(watches_, acceptor_);
  tasks_.Stop();
  host_.Stop();
}

std::shared_ptr<grpc::Channel> AdminApi::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(), arguments);
}

SocketAddress AdminApi::CreateListener(const std::string& id, const std::string& service,
                                       const std::string& address) {
  ListenerConfig config;
  config.name = id;
  config.service = service;
  config.address = SocketAddress::Parse(address).value();
  // Every listener that the admin API shows has one.
  config.attachment = MakeListenerRecord(config.name, {});
  return host_.CreateListener(config).value().effective_address;
}

}  // namespace sockhost
