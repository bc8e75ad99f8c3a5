// Certificates for tests, made in memory.
#ifndef SOCKHOST_TESTS_SERVER_TEST_AUTHORITY_H_
#define SOCKHOST_TESTS_SERVER_TEST_AUTHORITY_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace sockhost {

// Both PEM.
struct TestPair {
  std::string certificate;
  std::string key;
};

// An authority that signs whatever a test asks for.
class TestAuthority {
 public:
  // Signed by `issuer`; null: by itself.
  explicit TestAuthority(const std::string& name = "authority",
                         const TestAuthority* issuer = nullptr);
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  // Its own certificate.
  const std::string& certificate() const { return certificate_pem_; }

  // `names`: subject alternative names as OpenSSL's configuration has them, e.g.
  // "DNS:a.test,IP:127.0.0.1"; empty: none.
  TestPair Sign(const std::string& names, absl::Time begin = absl::Now() - absl::Hours(1),
                absl::Time end = absl::Now() + absl::Hours(1)) const;

  // A list of revoked certificates; the next one comes at `next`.
  std::string Revoke(const std::vector<std::string>& certificates,
                     absl::Time next = absl::Now() + absl::Hours(1)) const;

 private:
  EVP_PKEY* key_;
  X509* certificate_;
  std::string certificate_pem_;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_SERVER_TEST_AUTHORITY_H_
