#include "server/certificate_set.h"

#include <gmock/gmock.h>

#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "sockhost/error.h"
#include "tests/server/admin_api.h"
#include "tests/server/test_authority.h"

namespace sockhost {
namespace {

using testing::HasSubstr;

class CertificateSetTest : public testing::Test {
 protected:
  CertificateSetTest() { WritePair(authority_.Sign("DNS:localhost")); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }
  void WritePair(const TestPair& pair) {
    Write(files_.certificate, pair.certificate);
    Write(files_.key, pair.key);
    Write(files_.client_ca, authority_.certificate());
  }
  absl::StatusOr<std::shared_ptr<const CertificateSet>> Read() {
    return CertificateSet::Read(files_, absl::Now());
  }
  std::string Problem() {
    const absl::Status status = Read().status();
    EXPECT_TRUE(DetailOf(status).has_value()) << status;
    return std::string(status.message());
  }

  const TemporaryFolder folder_;
  const TestAuthority authority_;
  CertificateFiles files_{folder_.Path("server.crt"), folder_.Path("server.key"),
                          folder_.Path("ca.crt"), ""};
};

TEST_F(CertificateSetTest, GoodFilesAreReadAsTheyAre) {
  const TestPair pair = authority_.Sign("DNS:localhost");
  WritePair(pair);
  const auto set = Read().value();
  EXPECT_EQ(set->chain(), pair.certificate);
  EXPECT_EQ(set->key(), pair.key);
  EXPECT_EQ(set->client_ca(), authority_.certificate());
  EXPECT_FALSE(set->IsRevoked(pair.certificate));
}

TEST_F(CertificateSetTest, ChainMayHoldTheIssuer) {
  const TestPair pair = authority_.Sign("DNS:localhost");
  WritePair({pair.certificate + authority_.certificate(), pair.key});
  EXPECT_TRUE(Read().ok()) << Read().status();
  WritePair({pair.certificate + TestAuthority("other").certificate(), pair.key});
  EXPECT_THAT(Problem(), HasSubstr("did not issue"));
  WritePair({authority_.certificate() + pair.certificate, pair.key});
  EXPECT_THAT(Problem(), HasSubstr("server.crt"));
}

TEST_F(CertificateSetTest, MissingFileIsNamed) {
  for (std::string CertificateFiles::*file :
       {&CertificateFiles::certificate, &CertificateFiles::key, &CertificateFiles::client_ca}) {
    const std::string before = files_.*file;
    files_.*file = folder_.Path("missing.pem");
    EXPECT_THAT(Problem(), HasSubstr("missing.pem"));
    files_.*file = before;
  }
}

TEST_F(CertificateSetTest, WhatIsNoPemIsRefused) {
  for (const std::string* file : {&files_.certificate, &files_.key, &files_.client_ca}) {
    for (const std::string& text :
         {std::string(), std::string("text\n"), std::string("-----BEGIN CERTIFICATE-----\nAA"),
          std::string("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")}) {
      Write(*file, text);
      EXPECT_THAT(Problem(), HasSubstr(*file)) << text;
    }
    WritePair(authority_.Sign("DNS:localhost"));
  }
}

TEST_F(CertificateSetTest, HalfWrittenChainIsRefused) {
  const TestPair pair = authority_.Sign("DNS:localhost");
  const std::string whole = pair.certificate + authority_.certificate();
  WritePair({whole.substr(0, pair.certificate.size() + 200), pair.key});
  EXPECT_THAT(Problem(), HasSubstr("server.crt"));
}

TEST_F(CertificateSetTest, KeyOfAnotherCertificateIsRefused) {
  WritePair({authority_.Sign("DNS:localhost").certificate, authority_.Sign("DNS:localhost").key});
  EXPECT_THAT(Problem(), HasSubstr("not the key of the certificate"));
}

TEST_F(CertificateSetTest, ExpiredAndFutureCertificatesAreRefused) {
  const absl::Time now = absl::Now();
  WritePair(authority_.Sign("DNS:a", now - absl::Hours(2), now - absl::Hours(1)));
  EXPECT_THAT(Problem(), HasSubstr("expired at"));
  WritePair(authority_.Sign("DNS:a", now + absl::Hours(1), now + absl::Hours(2)));
  EXPECT_THAT(Problem(), HasSubstr("valid from"));
}

TEST_F(CertificateSetTest, ListsOfRevokedCertificates) {
  const TestPair good = authority_.Sign("DNS:good");
  const TestPair bad = authority_.Sign("DNS:bad");
  files_.crl = folder_.Path("crl.pem");
  Write(files_.crl, authority_.Revoke({bad.certificate}));
  const auto set = Read().value();
  EXPECT_TRUE(set->IsRevoked(bad.certificate));
  EXPECT_FALSE(set->IsRevoked(good.certificate));
  EXPECT_TRUE(set->IsRevoked("nonsense"));
  // Of another authority with the same number.
  EXPECT_FALSE(set->IsRevoked(TestAuthority("other").Sign("DNS:x").certificate));
}

TEST_F(CertificateSetTest, RevokedAuthorityTakesAllBelowItWithIt) {
  const TestAuthority middle("middle", &authority_);
  const TestAuthority low("low", &middle);
  const std::string client = low.Sign("DNS:client.test").certificate;
  const std::string sent = client + low.certificate() + middle.certificate();
  files_.crl = folder_.Path("crl.pem");
  Write(files_.crl, authority_.Revoke({}));
  EXPECT_FALSE(Read().value()->IsRevoked(sent));
  Write(files_.crl, authority_.Revoke({middle.certificate()}));
  EXPECT_TRUE(Read().value()->IsRevoked(sent));
  EXPECT_TRUE(Read().value()->IsRevoked(client + middle.certificate() + low.certificate()));
  // Of another line.
  EXPECT_FALSE(Read().value()->IsRevoked(authority_.Sign("DNS:x").certificate));
  // The daemon knows them, and the client has not sent them.
  Write(files_.client_ca, authority_.certificate() + middle.certificate() + low.certificate());
  EXPECT_TRUE(Read().value()->IsRevoked(client));
}

TEST_F(CertificateSetTest, WarnsOfWhatGetsOutOfDate) {
  const absl::Time now = absl::Now();
  WritePair(authority_.Sign("DNS:x", now - absl::Hours(1), now + absl::Hours(24 * 15)));
  files_.crl = folder_.Path("crl.pem");
  Write(files_.crl, authority_.Revoke({}, now + absl::Hours(24 * 20)));
  const auto set = Read().value();
  EXPECT_THAT(set->Warnings(now), testing::IsEmpty());
  EXPECT_THAT(set->Warnings(now + absl::Hours(48)),
              testing::ElementsAre(HasSubstr("--tls-cert expires at")));
  EXPECT_THAT(set->Warnings(now + absl::Hours(24 * 21)),
              testing::ElementsAre(HasSubstr("--tls-cert has expired at"),
                                   HasSubstr("--tls-crl is out of date")));
}

TEST_F(CertificateSetTest, ListOfAnotherAuthorityIsRefused) {
  files_.crl = folder_.Path("crl.pem");
  Write(files_.crl, TestAuthority("other").Revoke({}));
  EXPECT_THAT(Problem(), HasSubstr("no authority of --tls-client-ca has signed"));
  // Of one that only has its name.
  Write(files_.crl, TestAuthority().Revoke({}));
  EXPECT_THAT(Problem(), HasSubstr("no authority of --tls-client-ca has signed"));
  Write(files_.crl, "");
  EXPECT_THAT(Problem(), HasSubstr("crl.pem"));
}

}  // namespace
}  // namespace sockhost
