// The certificates that the admin API presents and asks for.
#ifndef SOCKHOST_SERVER_SERVER_CERTIFICATES_H_
#define SOCKHOST_SERVER_SERVER_CERTIFICATES_H_

#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "admin_peer.h"
#include "certificate_set.h"
#include "memory_file.h"

namespace sockhost {

// The set that is in force. A bad one is never seen by anybody. gRPC looks for a new pair
// and new authorities once a second; lists of revoked certificates count from the next
// handshake on, and for the next call of connections that are there already.
//
// Thread rule: any.
class ServerCertificates {
 public:
  // Errors: those of Reload.
  static absl::StatusOr<std::unique_ptr<ServerCertificates>> Load(CertificateFiles files);

  // Reads the files again. The whole new set is in force afterwards, or, if anything is
  // wrong with them or they find no place in memory, the whole old one. Errors: those of
  // CertificateSet::Read and MemoryContent::Make.
  absl::Status Reload();

  // For AdminAcceptor::AttachTls: TLS 1.2 and up, client certificate required, verified
  // and not revoked. Refers to this object, which outlives the gRPC server.
  std::shared_ptr<grpc::ServerCredentials> Credentials();

  // Into the log: those of CertificateSet::Warnings.
  void LogWarnings() const;

  bool IsRevoked(const AdminPeer& peer) const;
  std::shared_ptr<const CertificateSet> current() const;

 private:
  explicit ServerCertificates(CertificateFiles files);

  const CertificateFiles files_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const CertificateSet> current_ ABSL_GUARDED_BY(mutex_);
  // What gRPC reads: of the set in force its key and chain, and its authorities.
  MemoryFile pair_ ABSL_GUARDED_BY(mutex_);
  MemoryFile client_ca_ ABSL_GUARDED_BY(mutex_);
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SERVER_CERTIFICATES_H_
