#include "upstream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kMaxNameLength = 253;

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  const std::string shown = absl::CHexEscape(text.substr(0, 300));
  return Error(
      Reason::kADDRESS_INVALID,
      absl::StrCat("upstream \"", shown, "\": ", why,
                   "; expected e.g. tcp://10.0.0.1:80, tcp://[::1]:80, udp://dns.local:53"),
      {{"address", shown}});
}

// A name, and nothing that was meant as an IPv4 address: its last label has a letter.
bool IsHostName(absl::string_view host) {
  if (host.empty() || host.size() > kMaxNameLength) return false;
  const bool has_only_name_characters = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
  const absl::string_view last_label = host.substr(host.rfind('.') + 1);
  return has_only_name_characters &&
         absl::ascii_isalnum(static_cast<unsigned char>(host.front())) &&
         std::any_of(last_label.begin(), last_label.end(), absl::ascii_isalpha);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Upstream>> Upstream::Parse(absl::string_view text) {
  const absl::StatusOr<SocketAddress> literal = SocketAddress::Parse(text);
  if (literal.ok()) {
    if (literal->port() == 0 && (literal->family() == AF_INET || literal->family() == AF_INET6)) {
      return Invalid(text, "nobody listens on port 0");
    }
    std::shared_ptr<Upstream> upstream(new Upstream(text, literal->protocol()));
    absl::MutexLock lock(&upstream->mutex_);
    upstream->addresses_ =
        std::make_shared<std::vector<SocketAddress>>(std::vector<SocketAddress>{*literal});
    return upstream;
  }
  absl::string_view rest = text;
  const bool is_tcp = absl::ConsumePrefix(&rest, "tcp://");
  const bool is_udp = !is_tcp && absl::ConsumePrefix(&rest, "udp://");
  const size_t colon = rest.rfind(':');
  if ((!is_tcp && !is_udp) || colon == absl::string_view::npos) return literal.status();
  const absl::string_view host = rest.substr(0, colon);
  const absl::string_view port = rest.substr(colon + 1);
  if (!IsHostName(host)) {
    const bool meant_as_literal =
        host.find_first_not_of("0123456789.") == absl::string_view::npos ||
        absl::StrContains(host, '[');
    if (meant_as_literal) return literal.status();
    return Invalid(text,
                   "the host is neither an IPv4 address, nor an IPv6 address in brackets, nor a "
                   "name of letters, digits, '-', '_' and '.'");
  }
  uint32_t number = 0;
  if (!std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(port, &number) || number == 0 || number > 65535) {
    return Invalid(text, "the port is no number from 1 to 65535");
  }
  std::shared_ptr<Upstream> upstream(new Upstream(text, is_tcp ? Protocol::kTcp : Protocol::kUdp));
  upstream->host_ = std::string(host);
  upstream->port_ = static_cast<uint16_t>(number);
  absl::MutexLock lock(&upstream->mutex_);
  upstream->is_resolving_ = true;
  return upstream;
}

std::shared_ptr<const std::vector<SocketAddress>> Upstream::shared_addresses() const {
  absl::ReaderMutexLock lock(&mutex_);
  return addresses_;
}

bool Upstream::is_resolving() const {
  absl::ReaderMutexLock lock(&mutex_);
  return is_resolving_;
}

void Upstream::SetAddresses(const std::vector<SocketAddress>& hosts) {
  auto addresses = std::make_shared<std::vector<SocketAddress>>();
  for (const SocketAddress& host : hosts) {
    if (addresses->size() == kMostAddresses) break;
    sockaddr_storage storage;
    const socklen_t length = host.ToSockaddr(storage);
    // The port is at the same place in both families.
    reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port_);
    addresses->push_back(
        SocketAddress::From(protocol_, reinterpret_cast<sockaddr*>(&storage), length));
  }
  absl::MutexLock lock(&mutex_);
  is_resolving_ = false;
  addresses_ = std::move(addresses);
}

void Upstream::SetFailed() {
  absl::MutexLock lock(&mutex_);
  is_resolving_ = false;
}

}  // namespace sockhost
