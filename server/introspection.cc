#include "introspection.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/server_context.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "grpc_status.h"

namespace sockhost {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

// `peer` is "unix:...", or "fd:N" for a connection that gRPC was given as an fd;
// the fd is open while the call begins.
bool IsUnixPeer(absl::string_view peer) {
  if (!absl::ConsumePrefix(&peer, "fd:")) return absl::StartsWith(peer, "unix:");
  int fd = -1;
  int family = AF_UNSPEC;
  socklen_t length = sizeof(family);
  return absl::SimpleAtoi(peer, &fd) &&
         getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 && family == AF_UNIX;
}

class GateInterceptor final : public Interceptor {
 public:
  explicit GateInterceptor(ServerRpcInfo& call) : call_(call) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA) &&
        !IsUnixPeer(call_.server_context()->peer())) {
      DenyCall(*call_.server_context(), "reflection is for unix sockets; see --reflection-tcp");
    }
    methods->Proceed();
  }

 private:
  ServerRpcInfo& call_;
};

class GateFactory final : public ServerInterceptorFactoryInterface {
 public:
  explicit GateFactory(bool open) : open_(open) {}

  // gRPC owns it; null: this call has none.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* call) override {
    if (open_ || !absl::StartsWith(call->method(), "/grpc.reflection.")) return nullptr;
    return new GateInterceptor(*call);
  }

 private:
  const bool open_;
};

}  // namespace

void EnableIntrospection(const IntrospectionOptions& options) {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  if (options.channelz) grpc::channelz::experimental::InitChannelzService();
}

std::unique_ptr<ServerInterceptorFactoryInterface> ReflectionGate(
    const IntrospectionOptions& options) {
  return std::make_unique<GateFactory>(options.reflection_tcp);
}

}  // namespace sockhost
