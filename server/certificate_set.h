// The certificates of the admin API, read from files and checked.
#ifndef SOCKHOST_SERVER_CERTIFICATE_SET_H_
#define SOCKHOST_SERVER_CERTIFICATE_SET_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sockhost {

// Paths of PEM files.
struct CertificateFiles {
  // The server's certificate, followed by those of the authorities between it and
  // what clients trust.
  std::string certificate;
  // Its private key, without a password.
  std::string key;
  // Authorities that sign the certificates of clients.
  std::string client_ca;
  // Lists of revoked client certificates; empty: none.
  std::string crl;
};

// What belongs together: a pair that fits, whose chain is in order and has not
// expired, and whom it trusts. Immutable; any thread.
class CertificateSet {
 public:
  // Reads and checks all files. Error: FIELD_INVALID with the file, what is wrong
  // with it, and what is wanted.
  static absl::StatusOr<std::shared_ptr<const CertificateSet>> Read(const CertificateFiles& files,
                                                                    absl::Time now);
  ~CertificateSet();

  const std::string& chain() const { return chain_; }
  const std::string& key() const { return key_; }
  const std::string& client_ca() const { return client_ca_; }
  // What will soon be, or is, out of date: the first certificate of the chain two weeks before it
  // expires, a list of revoked certificates when its next issue is due (it counts on). For people.
  std::vector<std::string> Warnings(absl::Time now) const;

  // `certificates` (PEM): that of a client, and in any order those it has sent with it. True if
  // a list of its issuer has the first one or one of the authorities above it, or if it cannot
  // be read.
  bool IsRevoked(const std::string& certificates) const;

 private:
  // Parsed lists of revoked certificates, and the authorities.
  struct RevocationLists;

  CertificateSet();

  std::string chain_;
  std::string key_;
  std::string client_ca_;
  absl::Time expiry_;
  // Of the list that is the first to be out of date.
  absl::Time next_crl_ = absl::InfiniteFuture();
  std::unique_ptr<const RevocationLists> revoked_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CERTIFICATE_SET_H_
