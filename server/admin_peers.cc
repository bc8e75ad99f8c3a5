#include "admin_peers.h"

#include <grpc/grpc_security_constants.h>

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

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
  return type.size() == 1 && type[0] == GRPC_SSL_TRANSPORT_SECURITY_TYPE;
}

// "ipv6:%5B::1%5D:80" as tcp://[::1]:80.
std::string AddressOf(absl::string_view grpc_peer) {
  const absl::string_view host_and_port = grpc_peer.substr(grpc_peer.find(':') + 1);
  return absl::StrCat("tcp://", absl::StrReplaceAll(host_and_port, {{"%5B", "["}, {"%5D", "]"}}));
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
  return peer;
}

}  // namespace

void AdminPeers::Add(int number, AdminPeer peer) {
  auto shared = std::make_shared<const AdminPeer>(std::move(peer));
  absl::MutexLock lock(&mutex_);
  peers_[number] = std::move(shared);
}

void AdminPeers::Remove(int number) {
  absl::MutexLock lock(&mutex_);
  peers_.erase(number);
}

std::shared_ptr<const AdminPeer> AdminPeers::Of(const grpc::ServerContextBase& call) const {
  const std::string name = call.peer();
  absl::string_view text = name;
  int number = -1;
  if (absl::ConsumePrefix(&text, "fd:")) {
    if (!absl::SimpleAtoi(text, &number)) return nullptr;
    absl::MutexLock lock(&mutex_);
    const auto found = peers_.find(number);
    return found == peers_.end() ? nullptr : found->second;
  }
  const std::shared_ptr<const grpc::AuthContext> context = call.auth_context();
  return context && IsTls(*context) ? TlsPeer(*context, name) : nullptr;
}

}  // namespace sockhost
