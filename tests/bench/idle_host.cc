// idle_host: a program that embeds the core, with an echo listener and any number
// of registered sockets on which nothing happens.
//
// usage: idle_host IDLE_SOCKETS; prints the port of the listener on 127.0.0.1 and
// runs until its standard input ends.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/built_in_services.h"
#include "service_core/unique_fd.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

void Check(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "idle_host: %s\n", what.c_str());
  std::exit(1);
}

uint16_t ListenForEcho(ServiceHost& host) {
  absl::Status status = host.DefineService(kEchoService, ServiceKind::kBuiltIn);
  Check(status.ok(), status.ToString());
  ListenerConfig config;
  config.name = "echo";
  config.service = "echo";
  config.address = SocketAddress::Parse("tcp://127.0.0.1:0").value();
  const absl::StatusOr<ListenerSnapshot> listener = host.CreateListener(config);
  Check(listener.ok(), listener.status().ToString());
  return listener->effective_address.port();
}

std::vector<UniqueFd> RegisterIdleSockets(int count) {
  sockhost_service_definition definition{};
  definition.name = "idle";
  definition.handler = [](net_socket_service_event*) {};
  definition.capacity = count;
  const net_socket_service_desc* service = nullptr;
  Check(sockhost_service_define(&definition, &service) == 0, "cannot define a service");
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < count; ++i) {
    sockets.emplace_back(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Check(sockets.back().valid(), "out of fds");
    const int result = sockhost_service_add(service, sockets.back().get(), POLLIN, nullptr);
    Check(result == 0, "cannot register a socket");
  }
  return sockets;
}

int Run(int idle_sockets) {
  ServiceHost& host = ServiceHost::OfProcess();
  const absl::Status started = host.Start({});
  Check(started.ok(), started.ToString());
  const std::vector<UniqueFd> sockets = RegisterIdleSockets(idle_sockets);
  std::printf("%d\n", ListenForEcho(host));
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  host.Stop();
  return 0;
}

}  // namespace
}  // namespace sockhost

int main(int argc, char** argv) {
  if (argc == 2) return sockhost::Run(std::atoi(argv[1]));
  std::fputs("usage: idle_host IDLE_SOCKETS\n", stderr);
  return 2;
}
