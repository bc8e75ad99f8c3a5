#include "client/tls_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

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
  const absl::StatusOr<std::string> ca = ReadPem("--tls-ca", files.ca);
  if (!ca.ok()) return ca.status();
  return grpc::SslCredentials({*ca, *key, *certificate});
}

}  // namespace sockhost::client
