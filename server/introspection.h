// Reflection and channelz: services for clients and operators that gRPC brings.
#ifndef SOCKHOST_SERVER_INTROSPECTION_H_
#define SOCKHOST_SERVER_INTROSPECTION_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>

namespace sockhost {

struct IntrospectionOptions {
  // Reflection for TCP connections too; unix sockets always have it.
  bool reflection_tcp = false;
  bool channelz = false;
};

// Adds the services to every server that is built afterwards: gRPC's plugins are
// of the process. (Merely linking the reflection library would do that as well;
// the call says so, and keeps the linker from dropping it.)
void EnableIntrospection(const IntrospectionOptions& options);

// Cancels reflection calls that come over TCP, unless they are allowed.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> ReflectionGate(
    const IntrospectionOptions& options);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_INTROSPECTION_H_
