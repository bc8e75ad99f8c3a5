#include "passed_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "listener_declaration.h"
#include "listener_record.h"
#include "service_parameters.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// SD_LISTEN_FDS_START
constexpr int kFirstFd = 3;
constexpr int kMostSockets = 4096;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

absl::Status Invalid(absl::string_view what, absl::string_view value, absl::string_view why) {
  const std::string shown = absl::CHexEscape(value.substr(0, 128));
  return Error(Reason::kFIELD_INVALID, absl::StrCat(what, " ", shown, ": ", why),
               {{"value", shown}});
}

absl::StatusOr<std::map<std::string, std::string>> ParseRules(
    const std::vector<std::string>& rules) {
  std::map<std::string, std::string> services;
  for (const std::string& rule : rules) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(rule, absl::MaxSplits('=', 1));
    if (parts.first.empty() || parts.second.empty()) {
      return Invalid("--adopt", rule, "use NAME=SERVICE, e.g. web=echo");
    }
    if (!services.emplace(parts).second) {
      return Invalid("--adopt", rule, "the name has another rule");
    }
  }
  return services;
}

// 0: it has no such option.
int OptionOf(int fd, int level, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  return getsockopt(fd, level, option, &value, &length) == 0 ? value : 0;
}

void DeclareKeepalive(int fd, v1::Listener& declared) {
  if (const int timeout_ms = OptionOf(fd, IPPROTO_TCP, TCP_USER_TIMEOUT); timeout_ms > 0) {
    declared.mutable_tcp_user_timeout()->set_seconds(timeout_ms / 1000);
    declared.mutable_tcp_user_timeout()->set_nanos(timeout_ms % 1000 * 1'000'000);
  }
  if (OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE) == 0) return;
  v1::TcpKeepalive& keepalive = *declared.mutable_tcp_keepalive();
  keepalive.mutable_idle()->set_seconds(OptionOf(fd, IPPROTO_TCP, TCP_KEEPIDLE));
  keepalive.mutable_interval()->set_seconds(OptionOf(fd, IPPROTO_TCP, TCP_KEEPINTVL));
  keepalive.set_count(OptionOf(fd, IPPROTO_TCP, TCP_KEEPCNT));
}

// What a client would have asked for to get this socket. Not its buffers: nothing tells whether
// they are the kernel's default.
v1::Listener DeclarationOf(int fd, const std::string& service) {
  const SocketAddress address = SocketAddress::OfSocket(fd);
  v1::Listener declared;
  declared.set_service(service);
  declared.set_address(address.ToString());
  if (address.is_unix()) return declared;
  declared.set_ipv6_only(OptionOf(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0);
  declared.set_reuse_port(OptionOf(fd, SOL_SOCKET, SO_REUSEPORT) != 0);
  if (address.protocol() == Protocol::kTcp) DeclareKeepalive(fd, declared);
  return declared;
}

absl::Status Adopt(ServiceHost& host, const std::string& id, const std::string& service, int fd) {
  v1::Listener declared = DeclarationOf(fd, service);
  ListenerConfig config;
  config.name = id;
  config.service = service;
  absl::StatusOr<std::shared_ptr<const ServiceParameters>> parameters =
      DecodeParameters(id, declared);
  if (!parameters.ok()) {
    return Invalid(
        "--adopt", absl::StrCat(id, "=", service),
        absl::StrCat("a passed socket has no parameters, which this service needs (",
                     parameters.status().message(), "); create the listener over the admin API"));
  }
  config.parameters = *std::move(parameters);
  config.socket = DecodeSocketOptions(declared, {});
  config.attachment = MakeListenerRecord(id, declared);
  return host.AdoptListener(config, fd).status();
}

}  // namespace

absl::StatusOr<std::vector<PassedSocket>> TakePassedSockets() {
  const std::string pid = Variable("LISTEN_PID");
  const std::string fds = Variable("LISTEN_FDS");
  const std::string names = Variable("LISTEN_FDNAMES");
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  std::vector<PassedSocket> sockets;
  // They were for the parent, or there are none.
  if (pid != absl::StrCat(getpid()) || fds.empty()) return sockets;
  int count = 0;
  if (!absl::SimpleAtoi(fds, &count) || count < 0 || count > kMostSockets) {
    return Invalid("LISTEN_FDS", fds, absl::StrCat("use 0 to ", kMostSockets));
  }
  const std::vector<std::string> listed = absl::StrSplit(names, ':');
  for (int i = 0; i < count; ++i) {
    const bool is_named = static_cast<size_t>(i) < listed.size();
    sockets.push_back({is_named ? listed[static_cast<size_t>(i)] : "", kFirstFd + i});
  }
  return sockets;
}

absl::Status CheckAdoptRules(const std::vector<std::string>& rules) {
  return ParseRules(rules).status();
}

absl::Status AdoptSockets(ServiceHost& host, const std::vector<PassedSocket>& sockets,
                          const std::vector<std::string>& rules) {
  const auto services = ParseRules(rules);
  if (!services.ok()) return services.status();
  std::map<std::string, int> seen;
  for (const PassedSocket& socket : sockets) {
    const auto rule = services->find(socket.name);
    if (rule == services->end()) {
      return Invalid("passed socket", socket.name,
                     "no service is named for it; add --adopt NAME=SERVICE, with the "
                     "FileDescriptorName= of the socket unit");
    }
    const int number = ++seen[socket.name];
    const std::string id = number == 1 ? socket.name : absl::StrCat(socket.name, "-", number);
    if (absl::Status status = Adopt(host, id, rule->second, socket.fd); !status.ok()) {
      return status;
    }
  }
  for (const auto& [name, service] : *services) {
    if (!seen.count(name)) {
      return Invalid("--adopt", absl::StrCat(name, "=", service),
                     "no socket of this name was passed (LISTEN_FDNAMES)");
    }
  }
  return absl::OkStatus();
}

}  // namespace sockhost
