#include "certificate_set.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "watched_files.h"

namespace sockhost {
namespace {

// How long before its end a certificate is warned of.
constexpr absl::Duration kExpiryNotice = absl::Hours(14 * 24);

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
using CrlPtr = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;
using Certificates = std::vector<CertificatePtr>;

absl::Status Wrong(const std::string& file, absl::string_view why) {
  ERR_clear_error();
  return Error(Reason::kFIELD_INVALID, absl::StrCat(file, ": ", why));
}

BioPtr Open(absl::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// OpenSSL would ask at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

// Reads one object after another; false if there is something else between them.
template <auto kRead, class Pointer>
bool ReadAll(absl::string_view pem, std::vector<Pointer>& out) {
  const BioPtr bio = Open(pem);
  while (auto* object = kRead(bio.get(), nullptr, NoPassword, nullptr)) out.emplace_back(object);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return at_end;
}

bool IsBefore(const ASN1_TIME* time, absl::Time now) {
  std::time_t seconds = absl::ToTimeT(now);
  return X509_cmp_time(time, &seconds) < 0;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? absl::FromTM(parts, absl::UTCTimeZone())
                                            : absl::InfinitePast();
}

std::string SubjectOf(const X509& certificate) {
  char text[256];
  X509_NAME_oneline(X509_get_subject_name(&certificate), text, sizeof(text));
  return text;
}

absl::Status CheckTime(const std::string& file, const X509& certificate, absl::Time now) {
  const ASN1_TIME* end = X509_get0_notAfter(&certificate);
  if (IsBefore(end, now)) {
    return Wrong(file, absl::StrCat("the certificate of ", SubjectOf(certificate), " expired at ",
                                    absl::FormatTime(TimeOf(end), absl::UTCTimeZone())));
  }
  const ASN1_TIME* begin = X509_get0_notBefore(&certificate);
  if (!IsBefore(begin, now)) {
    return Wrong(file,
                 absl::StrCat("the certificate of ", SubjectOf(certificate), " is valid from ",
                              absl::FormatTime(TimeOf(begin), absl::UTCTimeZone()), " on only"));
  }
  return absl::OkStatus();
}

bool IsIssuedBy(X509* certificate, X509* issuer) {
  return X509_check_issued(issuer, certificate) == X509_V_OK &&
         X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

absl::StatusOr<Certificates> ReadChain(const std::string& file, absl::string_view pem,
                                       absl::Time now) {
  Certificates chain;
  if (!ReadAll<PEM_read_bio_X509>(pem, chain) || chain.empty()) {
    return Wrong(file, "no certificates in PEM form (-----BEGIN CERTIFICATE-----)");
  }
  for (size_t i = 0; i < chain.size(); ++i) {
    if (absl::Status status = CheckTime(file, *chain[i], now); !status.ok()) return status;
    if (i > 0 && !IsIssuedBy(chain[i - 1].get(), chain[i].get())) {
      return Wrong(file,
                   absl::StrCat("each certificate must be followed by that of its issuer, but ",
                                SubjectOf(*chain[i]), " did not issue ", SubjectOf(*chain[i - 1])));
    }
  }
  return chain;
}

absl::Status CheckKey(const std::string& file, absl::string_view pem, X509* certificate) {
  const BioPtr bio = Open(pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (!key) return Wrong(file, "no private key in PEM form, or one with a password");
  if (X509_check_private_key(certificate, key.get()) != 1) {
    return Wrong(
        file, absl::StrCat("this is not the key of the certificate of ", SubjectOf(*certificate)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificates> ReadAuthorities(const std::string& file, absl::string_view pem,
                                             absl::Time now) {
  Certificates authorities;
  if (!ReadAll<PEM_read_bio_X509>(pem, authorities) || authorities.empty()) {
    return Wrong(file, "no certificates in PEM form (-----BEGIN CERTIFICATE-----)");
  }
  absl::Status last;
  // One that has expired may stand beside its successor.
  for (const CertificatePtr& authority : authorities) {
    last = CheckTime(file, *authority, now);
    if (last.ok()) return authorities;
  }
  return last;
}

// When the first of them is to be replaced.
absl::Time NextUpdate(const std::vector<CrlPtr>& crls) {
  absl::Time next = absl::InfiniteFuture();
  for (const CrlPtr& crl : crls) {
    const ASN1_TIME* time = X509_CRL_get0_nextUpdate(crl.get());
    if (time != nullptr) next = std::min(next, TimeOf(time));
  }
  return next;
}

bool IsListed(const std::vector<CrlPtr>& crls, X509* certificate) {
  return std::any_of(crls.begin(), crls.end(), [certificate](const CrlPtr& crl) {
    X509_REVOKED* entry = nullptr;
    return X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) == 0 &&
           X509_CRL_get0_by_cert(crl.get(), &entry, certificate) == 1;
  });
}

// Appends those of `authorities` that have issued `certificate` and are not in `out`. Signatures
// are the handshake's business: a certificate too many can only make more of them revoked.
void AddIssuers(X509* certificate, const Certificates& authorities, std::vector<X509*>& out) {
  for (const CertificatePtr& authority : authorities) {
    if (X509_check_issued(authority.get(), certificate) == X509_V_OK &&
        std::find(out.begin(), out.end(), authority.get()) == out.end()) {
      out.push_back(authority.get());
    }
  }
}

bool IsSignedByOneOf(X509_CRL* crl, const Certificates& authorities) {
  return std::any_of(authorities.begin(), authorities.end(), [crl](const CertificatePtr& issuer) {
    return X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer.get())) == 0 &&
           X509_CRL_verify(crl, X509_get0_pubkey(issuer.get())) == 1;
  });
}

absl::StatusOr<std::vector<CrlPtr>> ReadCrls(const std::string& file, absl::string_view pem,
                                             const Certificates& authorities) {
  std::vector<CrlPtr> crls;
  if (!ReadAll<PEM_read_bio_X509_CRL>(pem, crls) || crls.empty()) {
    return Wrong(file, "no revocation lists in PEM form (-----BEGIN X509 CRL-----)");
  }
  for (const CrlPtr& crl : crls) {
    if (!IsSignedByOneOf(crl.get(), authorities)) {
      return Wrong(file, "a list that no authority of --tls-client-ca has signed");
    }
  }
  return crls;
}

}  // namespace

struct CertificateSet::RevocationLists {
  std::vector<CrlPtr> lists;
  // Not all clients send those between them and the one they end at.
  Certificates authorities;
};

CertificateSet::CertificateSet() = default;
CertificateSet::~CertificateSet() = default;

absl::StatusOr<std::shared_ptr<const CertificateSet>> CertificateSet::Read(
    const CertificateFiles& files, absl::Time now) {
  std::shared_ptr<CertificateSet> out(new CertificateSet());
  for (const auto& [file, target] : {std::pair{&files.certificate, &out->chain_},
                                     {&files.key, &out->key_},
                                     {&files.client_ca, &out->client_ca_}}) {
    absl::StatusOr<std::string> content = ReadSmallFile(*file);
    if (!content.ok()) return content.status();
    *target = *std::move(content);
  }
  const absl::StatusOr<Certificates> chain = ReadChain(files.certificate, out->chain_, now);
  if (!chain.ok()) return chain.status();
  out->expiry_ = TimeOf(X509_get0_notAfter(chain->front().get()));
  absl::Status status = CheckKey(files.key, out->key_, chain->front().get());
  if (!status.ok()) return status;
  absl::StatusOr<Certificates> authorities = ReadAuthorities(files.client_ca, out->client_ca_, now);
  if (!authorities.ok()) return authorities.status();
  auto revoked = std::make_unique<RevocationLists>();
  if (!files.crl.empty()) {
    const absl::StatusOr<std::string> pem = ReadSmallFile(files.crl);
    if (!pem.ok()) return pem.status();
    absl::StatusOr<std::vector<CrlPtr>> crls = ReadCrls(files.crl, *pem, *authorities);
    if (!crls.ok()) return crls.status();
    revoked->lists = *std::move(crls);
    revoked->authorities = *std::move(authorities);
    out->next_crl_ = NextUpdate(revoked->lists);
  }
  out->revoked_ = std::move(revoked);
  return out;
}

std::vector<std::string> CertificateSet::Warnings(absl::Time now) const {
  const auto text = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
  };
  std::vector<std::string> warnings;
  if (expiry_ - now < kExpiryNotice) {
    warnings.push_back(absl::StrCat("the certificate of --tls-cert ",
                                    expiry_ < now ? "has expired at " : "expires at ",
                                    text(expiry_), "; replace its files, they are read at once"));
  }
  if (next_crl_ < now) {
    warnings.push_back(absl::StrCat("--tls-crl is out of date: a list was to be replaced at ",
                                    text(next_crl_), "; what was revoked since is not known"));
  }
  return warnings;
}

bool CertificateSet::IsRevoked(const std::string& certificates) const {
  if (revoked_->lists.empty()) return false;
  Certificates sent;
  ReadAll<PEM_read_bio_X509>(certificates, sent);
  if (sent.empty()) return true;
  // The client's own, then whoever is above it.
  std::vector<X509*> chain = {sent.front().get()};
  for (size_t i = 0; i < chain.size(); ++i) {
    if (IsListed(revoked_->lists, chain[i])) return true;
    AddIssuers(chain[i], sent, chain);
    AddIssuers(chain[i], revoked_->authorities, chain);
  }
  return false;
}

}  // namespace sockhost
