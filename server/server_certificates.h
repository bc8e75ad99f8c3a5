// The certificates that the admin API presents and asks for.
#ifndef SOCKHOST_SERVER_SERVER_CERTIFICATES_H_
#define SOCKHOST_SERVER_SERVER_CERTIFICATES_H_

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "admin_peer.h"
#include "certificate_set.h"

namespace sockhost {

// The set that is in force. gRPC asks for it at each handshake, so a new set
// counts from the next connection on, and a bad one is never seen by anybody.
//
// Thread rule: any.
class ServerCertificates {
 public:
  // Error: that of CertificateSet::Read.
  static absl::StatusOr<std::unique_ptr<ServerCertificates>> Load(CertificateFiles files);

  // Reads the files again. If anything is wrong with them, the set in force stays.
  absl::Status Reload();

  // For AdminAcceptor::AttachTls: TLS 1.2 and up, client certificate required and
  // verified. Refers to this object, which outlives the gRPC server.
  std::shared_ptr<grpc::ServerCredentials> Credentials();

  bool IsRevoked(const AdminPeer& peer) const;
  std::shared_ptr<const CertificateSet> current() const;

 private:
  ServerCertificates(CertificateFiles files, std::shared_ptr<const CertificateSet> set);

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config);
  // The set in force if gRPC has another, which it then no longer has; else null.
  std::shared_ptr<const CertificateSet> TakeNew();

  const CertificateFiles files_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const CertificateSet> current_ ABSL_GUARDED_BY(mutex_);
  // The set that gRPC has.
  std::shared_ptr<const CertificateSet> fetched_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SERVER_CERTIFICATES_H_
