// The certificates of sockctl.
#ifndef SOCKHOST_CLIENT_TLS_FILES_H_
#define SOCKHOST_CLIENT_TLS_FILES_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/admin_address.h"

namespace sockhost::client {

// Paths of PEM files, as --tls-cert, --tls-key and --tls-ca give them.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string ca;
  // The name that the daemon's certificate must have; empty: the host of the
  // address.
  std::string server_name;
};

// How to speak to `address`: TLS for tls://, else plaintext. FAILED_PRECONDITION
// names the flags that are missing, or the file that cannot be read or used; a key that
// is not the certificate's, for one.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsFor(
    const AdminAddress& address, const TlsFiles& files);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_TLS_FILES_H_
