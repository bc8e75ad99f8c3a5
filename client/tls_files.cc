#include "client/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

absl::StatusOr<std::string> ReadPem(absl::string_view flag, const std::string& path) {
  const auto wrong = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(flag, " ", path, ": ", why));
  };
  errno = 0;
  std::ifstream file(path);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || content.empty()) {
    return wrong(errno != 0 ? strerror(errno) : "the file is empty");
  }
  if (!absl::StrContains(content, "-----BEGIN ")) return wrong("this is no PEM file");
  return content;
}

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, FreeWith<X509_free>>;

BioPtr Open(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// OpenSSL would ask at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

// gRPC says of a wrong pair no more than that there is no connection.
absl::Status CheckPair(const TlsFiles& files, const std::string& certificate_pem,
                       const std::string& key_pem) {
  const BioPtr certificate_bio = Open(certificate_pem), key_bio = Open(key_pem);
  const CertificatePtr certificate(
      PEM_read_bio_X509(certificate_bio.get(), nullptr, NoPassword, nullptr));
  const KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, NoPassword, nullptr));
  const bool is_pair =
      certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!certificate) {
    return absl::FailedPreconditionError(
        absl::StrCat("--tls-cert ", files.certificate, ": there is no certificate in it"));
  }
  if (!key) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--tls-key ", files.key, ": there is no private key in it, or one with a password"));
  }
  if (!is_pair) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--tls-key ", files.key, ": this is not the key of --tls-cert ", files.certificate));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsFor(
    const AdminAddress& address, const TlsFiles& files) {
  if (!address.tls) return grpc::InsecureChannelCredentials();
  if (files.certificate.empty() || files.key.empty() || files.ca.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(address.text,
                     " needs --tls-cert, --tls-key and --tls-ca, or SOCKCTL_TLS_CERT, "
                     "SOCKCTL_TLS_KEY and SOCKCTL_TLS_CA"));
  }
  const absl::StatusOr<std::string> certificate = ReadPem("--tls-cert", files.certificate);
  if (!certificate.ok()) return certificate.status();
  const absl::StatusOr<std::string> key = ReadPem("--tls-key", files.key);
  if (!key.ok()) return key.status();
  if (absl::Status pair = CheckPair(files, *certificate, *key); !pair.ok()) return pair;
  const absl::StatusOr<std::string> ca = ReadPem("--tls-ca", files.ca);
  if (!ca.ok()) return ca.status();
  return grpc::SslCredentials({*ca, *key, *certificate});
}

}  // namespace sockhost::client
