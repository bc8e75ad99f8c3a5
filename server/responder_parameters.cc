#include "responder_parameters.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kLongestText = 65'536;
constexpr size_t kLongestDatagram = 65'507;
constexpr int32_t kHighestRate = 1'000'000'000;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view what) {
  const std::string shown = absl::CHexEscape(value.substr(0, 128));
  return Error(Reason::kFIELD_INVALID, absl::StrCat(field, " \"", shown, "\": ", what),
               {{"value", shown}}, absl::StrCat("listener.", field));
}

absl::Status CheckRate(absl::string_view field, int32_t rate) {
  if (rate >= 0 && rate <= kHighestRate) return absl::OkStatus();
  return Invalid(field, absl::StrCat(rate), "use 0 (default) to 1000000000 answers in a second");
}

absl::StatusOr<DatagramLimits> DecodeLimits(const v1::UdpGuard& guard) {
  for (const auto& [field, rate] : {std::pair("udp_guard.peer_reply_rate", guard.peer_reply_rate()),
                                    std::pair("udp_guard.reply_rate", guard.reply_rate())}) {
    if (absl::Status status = CheckRate(field, rate); !status.ok()) return status;
  }
  DatagramLimits limits;
  if (guard.peer_reply_rate() > 0) {
    limits.peer_reply_rate = static_cast<uint32_t>(guard.peer_reply_rate());
  }
  limits.reply_rate = static_cast<uint32_t>(guard.reply_rate());
  limits.allow_amplification = guard.allow_amplification();
  limits.allow_privileged_sources = guard.allow_privileged_sources();
  return limits;
}

absl::Status CannotRead(const std::string& path, int error_number) {
  return Invalid("banner.file", path,
                 absl::StrCat("cannot read it: ", DescribeErrno(error_number)));
}

// Of a regular file only: another one could make the call wait.
absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (!absl::StartsWith(path, "/") || absl::StrContains(path, absl::string_view("\0", 1))) {
    return Invalid("banner.file", path, "use an absolute path");
  }
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return CannotRead(path, errno);
  struct stat status {};
  std::string text(kLongestText + 1, '\0');
  const bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const ssize_t got = regular ? read(fd, text.data(), text.size()) : 0;
  const int read_error = errno;
  close(fd);
  if (!regular) return Invalid("banner.file", path, "it is not a regular file");
  if (got < 0) return CannotRead(path, read_error);
  text.resize(static_cast<size_t>(got));
  return text;
}

absl::StatusOr<std::string> DecodeText(const v1::BannerParameters& banner) {
  if (banner.text().empty() == banner.file().empty()) {
    return Invalid("banner", banner.text(), "give either text or file");
  }
  return banner.file().empty() ? banner.text() : ReadFile(banner.file());
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ResponderParameters>> DecodeResponder(
    const v1::Listener& listener) {
  const absl::StatusOr<DatagramLimits> limits = DecodeLimits(listener.udp_guard());
  if (!limits.ok()) return limits.status();
  auto parameters = std::make_shared<ResponderParameters>();
  parameters->limits = *limits;
  return parameters;
}

absl::StatusOr<std::shared_ptr<const BannerParameters>> DecodeBanner(const v1::Listener& listener) {
  const absl::StatusOr<DatagramLimits> limits = DecodeLimits(listener.udp_guard());
  if (!limits.ok()) return limits.status();
  absl::StatusOr<std::string> text = DecodeText(listener.banner());
  if (!text.ok()) return text.status();
  const bool datagrams = absl::StartsWith(listener.address(), "udp:") ||
                         absl::StartsWith(listener.address(), "unixgram:");
  const size_t most = datagrams ? kLongestDatagram : kLongestText;
  if (text->empty() || text->size() > most) {
    return Invalid("banner", absl::StrCat(text->size(), " bytes"),
                   absl::StrCat("use a text of 1 to ", most, " bytes"));
  }
  auto parameters = std::make_shared<BannerParameters>();
  parameters->limits = *limits;
  parameters->text = std::make_shared<const std::string>(*std::move(text));
  parameters->close = listener.banner().close();
  return parameters;
}

}  // namespace sockhost
