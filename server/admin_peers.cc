#include "admin_peers.h"

#include <grpc/grpc_security_constants.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "logging.h"
#include "sockhost/socket_address.h"

namespace sockhost {
namespace {

void AppendNames(const grpc::AuthContext& context, const char* property, absl::string_view kind,
                 AdminPeer& peer) {
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    peer.names.push_back(absl::StrCat(kind, ":", absl::string_view(value.data(), value.size())));
  }
}

bool IsTls(const grpc::AuthContext& context) {
  const std::vector<grpc::string_ref> type =
      context.FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  return type.size() == 1 && type[0] == GRPC_TLS_TRANSPORT_SECURITY_TYPE;
}

constexpr absl::string_view kNumber = "fd:";

// "ipv6:%5B::1%5D:80" as tcp://[::1]:80.
std::string AddressOf(absl::string_view grpc_peer) {
  const absl::string_view host_and_port = grpc_peer.substr(grpc_peer.find(':') + 1);
  const std::string text = absl::StrCat(
      "tcp://", absl::StrReplaceAll(host_and_port, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}}));
  // In our spelling: gRPC has the number of a zone, we its name.
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  return address.ok() ? address->ToString() : text;
}

std::string NameIn(const std::string& grpc_peer) {
  return absl::StartsWith(grpc_peer, kNumber) ? grpc_peer : AddressOf(grpc_peer);
}

std::shared_ptr<const AdminPeer> TlsPeer(const grpc::AuthContext& context, absl::string_view name) {
  auto peer = std::make_shared<AdminPeer>();
  peer->transport = AdminPeer::Transport::kTls;
  peer->address = AddressOf(name);
  AppendNames(context, GRPC_PEER_DNS_PROPERTY_NAME, "dns", *peer);
  AppendNames(context, GRPC_PEER_URI_PROPERTY_NAME, "uri", *peer);
  AppendNames(context, GRPC_PEER_EMAIL_PROPERTY_NAME, "email", *peer);
  for (const grpc::string_ref& pem : context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
    peer->certificate = std::string(pem.data(), pem.size());
  }
  for (const grpc::string_ref& pem :
       context.FindPropertyValues(GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME)) {
    absl::StrAppend(&peer->certificate, "\n", absl::string_view(pem.data(), pem.size()));
  }
  return peer;
}

}  // namespace

std::string AdminPeers::NameOf(int number) { return absl::StrCat(kNumber, number); }

void AdminPeers::Add(const std::string& name, int fd, AdminPeer peer) {
  auto shared = std::make_shared<const AdminPeer>(std::move(peer));
  absl::MutexLock lock(&mutex_);
  connections_.emplace(name, Connection{fd, std::move(shared)});
}

void AdminPeers::Remove(const std::string& name, int fd) {
  absl::MutexLock lock(&mutex_);
  const auto [begin, end] = connections_.equal_range(name);
  const auto found =
      std::find_if(begin, end, [fd](const auto& entry) { return entry.second.fd == fd; });
  if (found != end) connections_.erase(found);
}

std::shared_ptr<const AdminPeer> AdminPeers::Of(const grpc::ServerContextBase& call) const {
  const std::string name = call.peer();
  if (absl::StartsWith(name, kNumber)) {
    absl::MutexLock lock(&mutex_);
    const auto found = connections_.find(name);
    return found == connections_.end() ? nullptr : found->second.peer;
  }
  const std::shared_ptr<const grpc::AuthContext> context = call.auth_context();
  if (!context || !IsTls(*context)) return nullptr;
  NoteCall(AddressOf(name));
  return TlsPeer(*context, name);
}

void AdminPeers::NoteCall(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const auto [begin, end] = connections_.equal_range(name);
  for (auto i = begin; i != end; ++i) i->second.has_called = true;
}

bool AdminPeers::HasCalled(const std::string& name, int fd) const {
  absl::MutexLock lock(&mutex_);
  const auto [begin, end] = connections_.equal_range(name);
  return std::any_of(begin, end, [fd](const auto& entry) {
    return entry.second.fd == fd && entry.second.has_called;
  });
}

void AdminPeers::CutOff(const std::string& grpc_peer) {
  const std::string name = NameIn(grpc_peer);
  // Kept meanwhile: the fd stays open until Remove.
  absl::MutexLock lock(&mutex_);
  const auto [begin, end] = connections_.equal_range(name);
  for (auto i = begin; i != end; ++i) {
    shutdown(i->second.fd, SHUT_RDWR);
    // Each of its streams comes here.
    if (std::exchange(i->second.is_cut_off, true)) continue;
    LogLine(LogLevel::kWarning, "a stream's reader is stuck: its connection is cut off",
            {{"connection", name}, {"peer", i->second.peer->ToString()}});
  }
}

}  // namespace sockhost
