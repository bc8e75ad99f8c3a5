#include "server_certificates.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "logging.h"

namespace sockhost {
namespace {

using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::TlsCustomVerificationCheckRequest;
using grpc::experimental::TlsServerCredentialsOptions;

// How often gRPC looks for another pair: as often as it can.
constexpr unsigned kRefreshSeconds = 1;

// The last step of a handshake, before the connection is HTTP/2.
class RevocationVerifier final : public ExternalCertificateVerifier {
 public:
  explicit RevocationVerifier(const ServerCertificates& certificates)
      : certificates_(certificates) {}

  bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    std::string pem;
    for (const grpc::string_ref& part : {request->peer_cert(), request->peer_cert_full_chain()}) {
      absl::StrAppend(&pem, absl::string_view(part.data(), part.size()), "\n");
    }
    const bool is_revoked = certificates_.current()->IsRevoked(pem);
    *status = is_revoked
                  ? grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                 "the certificate of the client, or of an authority above it, is "
                                 "revoked")
                  : grpc::Status::OK;
    return true;  // nothing is left to be done later
  }
  void Cancel(TlsCustomVerificationCheckRequest*) override {}

 private:
  const ServerCertificates& certificates_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServerCertificates>> ServerCertificates::Load(
    CertificateFiles files) {
  std::unique_ptr<ServerCertificates> out(new ServerCertificates(std::move(files)));
  if (absl::Status status = out->Reload(); !status.ok()) return status;
  return out;
}

ServerCertificates::ServerCertificates(CertificateFiles files) : files_(std::move(files)) {}

absl::Status ServerCertificates::Reload() {
  absl::StatusOr<std::shared_ptr<const CertificateSet>> set =
      CertificateSet::Read(files_, absl::Now());
  if (!set.ok()) return set.status();
  absl::MutexLock lock(&mutex_);
  // The pair in one file, and nothing is replaced before all is there.
  const int64_t version = version_ + 1;
  absl::StatusOr<MemoryContent> pair =
      MemoryContent::Make(absl::StrCat((*set)->key(), "\n", (*set)->chain()), version);
  if (!pair.ok()) return pair.status();
  absl::StatusOr<MemoryContent> client_ca = MemoryContent::Make((*set)->client_ca(), version);
  if (!client_ca.ok()) return client_ca.status();
  version_ = version;
  pair_.Replace(*std::move(pair));
  client_ca_.Replace(*std::move(client_ca));
  current_ = *std::move(set);
  return absl::OkStatus();
}

// The provider that watches files hands on what it finds, bad pairs too: so it is given
// files where only good ones come. Credentials of grpc::SslServerCredentials would ask for
// the pair at each handshake, but let nobody refuse a client in one.
std::shared_ptr<grpc::ServerCredentials> ServerCertificates::Credentials() {
  std::string pair;
  std::string client_ca;
  {
    absl::MutexLock lock(&mutex_);
    pair = pair_.path();
    client_ca = client_ca_.path();
  }
  // Without the mutex: the provider takes gRPC's own, under which a handshake asks for current().
  TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(pair, pair, client_ca, kRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  options.watch_root_certs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.set_certificate_verifier(ExternalCertificateVerifier::Create<RevocationVerifier>(*this));
  options.set_check_call_host(false);
  return grpc::experimental::TlsServerCredentials(options);
}

void ServerCertificates::LogWarnings() const {
  for (const std::string& warning : current()->Warnings(absl::Now())) {
    LogLine(LogLevel::kWarning, warning);
  }
}

bool ServerCertificates::IsRevoked(const AdminPeer& peer) const {
  return peer.transport == AdminPeer::Transport::kTls && current()->IsRevoked(peer.certificate);
}

std::shared_ptr<const CertificateSet> ServerCertificates::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

}  // namespace sockhost
