#include "client/admin_connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

// A watch of which nothing arrives must tell a quiet daemon from a lost network.
constexpr absl::Duration kPingInterval = absl::Seconds(20);
constexpr absl::Duration kPingTimeout = absl::Seconds(10);

grpc::ChannelArguments ChannelArguments(const std::string& server_name) {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix(absl::StrCat("sockctl/", SOCKHOST_VERSION));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(kPingInterval)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(kPingTimeout)));
  // gRPC would send even loopback connections through a proxy named by http_proxy.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!server_name.empty()) arguments.SetSslTargetNameOverride(server_name);
  return arguments;
}

}  // namespace

AdminConnection::AdminConnection(AdminAddress address, absl::Duration timeout,
                                 const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                 const std::string& server_name)
    : address_(std::move(address)),
      timeout_(timeout),
      channel_(
          grpc::CreateCustomChannel(address_.target, credentials, ChannelArguments(server_name))) {}

}  // namespace sockhost::client
