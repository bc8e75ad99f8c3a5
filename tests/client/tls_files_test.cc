#include "client/tls_files.h"

#include <gmock/gmock.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sockhost::client {
namespace {

using testing::HasSubstr;

struct Pair {
  std::string certificate;
  std::string key;
};

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

// A new key and a certificate for it, signed by itself.
Pair MakePair() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_bio, certificate);
  BIO* key_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {TextOf(certificate_bio), TextOf(key_bio)};
}

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() {
    folder_ = std::filesystem::temp_directory_path() / "sockctl-test.XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    const Pair pair = MakePair();
    files_ = {Write("cert", pair.certificate), Write("key", pair.key),
              Write("ca", pair.certificate), ""};
  }
  ~TlsFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  absl::Status Use(const char* address = "tls://127.0.0.1:1") {
    return CredentialsFor(*ParseAdminAddress(address), files_).status();
  }

  std::string folder_;
  TlsFiles files_;
};

TEST_F(TlsFilesTest, AreAllNeededForTls) {
  EXPECT_TRUE(Use().ok());
  for (std::string TlsFiles::*file : {&TlsFiles::certificate, &TlsFiles::key, &TlsFiles::ca}) {
    const TlsFiles all = files_;
    files_.*file = "";
    EXPECT_THAT(std::string(Use().message()), HasSubstr("--tls-cert, --tls-key and --tls-ca"));
    files_ = all;
  }
}

TEST_F(TlsFilesTest, AreNotReadForOtherAddresses) {
  files_.key = folder_ + "/missing";
  EXPECT_TRUE(Use("tcp://127.0.0.1:1").ok());
  EXPECT_TRUE(Use("unix:/a").ok());
}

TEST_F(TlsFilesTest, OneThatCannotBeUsedIsNamedWithItsFlag) {
  files_.key = folder_ + "/missing";
  EXPECT_THAT(std::string(Use().message()),
              HasSubstr("--tls-key " + files_.key + ": No such file"));
  files_.key = Write("empty", "");
  EXPECT_THAT(std::string(Use().message()), HasSubstr("empty"));
  files_.key = Write("der", "\x30\x82");
  EXPECT_THAT(std::string(Use().message()), HasSubstr("no PEM file"));
}

TEST_F(TlsFilesTest, KeyMustBeThatOfTheCertificate) {
  files_.key = Write("other", MakePair().key);
  EXPECT_EQ(Use().message(), "--tls-key " + files_.key + ": this is not the key of --tls-cert " +
                                 files_.certificate);
  files_.key = Write("none", "-----BEGIN PRIVATE KEY-----\n");
  EXPECT_THAT(std::string(Use().message()), HasSubstr("no private key"));
  files_.certificate = files_.key;
  EXPECT_THAT(std::string(Use().message()), HasSubstr("no certificate"));
}

}  // namespace
}  // namespace sockhost::client
