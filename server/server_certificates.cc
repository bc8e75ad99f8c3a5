#include "server_certificates.h"

#include <grpc/grpc.h>

#include <string>
#include <utility>

#include "absl/time/clock.h"

namespace sockhost {
namespace {

// grpc::SslServerCredentials keeps one pair for ever, and the provider that
// watches files hands on what it finds, bad pairs too. The C core has a third way,
// a function that is asked at each handshake, which no C++ class offers.
class AskingCredentials final : public grpc::ServerCredentials {
 public:
  AskingCredentials(grpc_ssl_server_certificate_config_callback fetch, void* user_data)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, fetch, user_data))) {}
  ~AskingCredentials() override { grpc_server_credentials_release(credentials_); }

  // Nobody sets one: roles are checked by AccessControl.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServerCertificates>> ServerCertificates::Load(
    CertificateFiles files) {
  absl::StatusOr<std::shared_ptr<const CertificateSet>> set =
      CertificateSet::Read(files, absl::Now());
  if (!set.ok()) return set.status();
  return std::unique_ptr<ServerCertificates>(
      new ServerCertificates(std::move(files), *std::move(set)));
}

ServerCertificates::ServerCertificates(CertificateFiles files,
                                       std::shared_ptr<const CertificateSet> set)
    : files_(std::move(files)), current_(std::move(set)) {}

absl::Status ServerCertificates::Reload() {
  absl::StatusOr<std::shared_ptr<const CertificateSet>> set =
      CertificateSet::Read(files_, absl::Now());
  if (!set.ok()) return set.status();
  absl::MutexLock lock(&mutex_);
  current_ = *std::move(set);
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> ServerCertificates::Credentials() {
  return std::make_shared<AskingCredentials>(&ServerCertificates::Fetch, this);
}

grpc_ssl_certificate_config_reload_status ServerCertificates::Fetch(
    void* self, grpc_ssl_server_certificate_config** config) {
  const std::shared_ptr<const CertificateSet> set =
      static_cast<ServerCertificates*>(self)->TakeNew();
  if (!set) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair{set->key().c_str(), set->chain().c_str()};
  *config = grpc_ssl_server_certificate_config_create(set->client_ca().c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

std::shared_ptr<const CertificateSet> ServerCertificates::TakeNew() {
  absl::MutexLock lock(&mutex_);
  if (fetched_ == current_) return nullptr;
  fetched_ = current_;
  return current_;
}

bool ServerCertificates::IsRevoked(const AdminPeer& peer) const {
  return peer.transport == AdminPeer::Transport::kTls && current()->IsRevoked(peer.certificate);
}

std::shared_ptr<const CertificateSet> ServerCertificates::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

}  // namespace sockhost
