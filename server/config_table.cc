#include "config_table.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr char kAdminGroup[] = "Admin API";
constexpr char kAccessGroup[] = "Access";
constexpr char kServicesGroup[] = "Services";
constexpr char kLimitsGroup[] = "Limits";
constexpr char kLogGroup[] = "Log";

std::vector<Setting> MakeSettings() {
  return {
      {"admin", kAdminGroup, "ADDRESS",
       "Address of the admin API: unix:/path, tls://HOST:PORT or tcp://HOST:PORT (port 0: any); "
       "can "
       "be repeated",
       &Config::admin},
      {"insecure-tcp", kAdminGroup, "",
       "Allow TCP admin addresses on loopback, without access control", &Config::insecure_tcp},
      {"insecure-tcp-any-address", kAdminGroup, "",
       "Allow TCP admin addresses on every interface, without access control",
       &Config::insecure_tcp_any_address},
      {"reflection-tcp", kAdminGroup, "",
       "Answer gRPC reflection over TCP too; unix sockets always have it", &Config::reflection_tcp},
      {"channelz", kAdminGroup, "", "Serve grpc.channelz.v1: what gRPC knows of its connections",
       &Config::channelz},
      {"tls-cert", kAccessGroup, "FILE",
       "Certificate for tls:// addresses and its issuers, PEM; read again when it changes",
       &Config::tls_cert},
      {"tls-key", kAccessGroup, "FILE", "Private key of --tls-cert, PEM", &Config::tls_key},
      {"tls-client-ca", kAccessGroup, "FILE",
       "Authorities that sign the certificates of clients, PEM", &Config::tls_client_ca},
      {"tls-crl", kAccessGroup, "FILE", "Revoked certificates of clients, PEM", &Config::tls_crl},
      {"roles", kAccessGroup, "FILE",
       "Who has which role, a line each: SUBJECT ROLE; read again when it changes", &Config::roles},
      {"audit-log", kAccessGroup, "FILE",
       "Where calls that change something, and denied ones, are written, a line of JSON each",
       &Config::audit_log},
      {"audit-fail-closed", kAccessGroup, "",
       "Change nothing while the audit log cannot be written", &Config::audit_fail_closed},
      {"module", kServicesGroup, "FILE",
       "Shared object with services, loaded at start; can be repeated", &Config::module},
      {"adopt", kServicesGroup, "NAME=SERVICE",
       "Make a listener of the socket that systemd passes under this name, for this service; can "
       "be repeated",
       &Config::adopt},
      {"drain-timeout", kServicesGroup, "DURATION",
       "How long connections may go on after SIGTERM (0s: not at all)", &Config::drain_timeout,
       DurationRange{absl::ZeroDuration(), absl::Hours(1)}},
      {"abort-on-stall", kServicesGroup, "",
       "Abort when one handler call has used 2 s of CPU time, for a supervisor to start anew",
       &Config::abort_on_stall},
      {"max-sockets", kLimitsGroup, "N",
       "Sockets at the same time (0: as many as the limit of open files allows)",
       &Config::max_sockets, CountRange{0, 1048576}},
      {"max-listeners", kLimitsGroup, "N", "Listeners at the same time", &Config::max_listeners,
       CountRange{1, 1048576}},
      {"max-watches", kLimitsGroup, "N",
       "Streams of watches at the same time; of more than 8, viewers leave two to operators",
       &Config::max_watches, CountRange{1, 100000}},
      {"closed-sockets", kLimitsGroup, "N", "Closed sockets that are remembered, 650 bytes each",
       &Config::closed_sockets, CountRange{0, 1048576}},
      {"event-history", kLimitsGroup, "N",
       "Events that are kept for readers that resume, fewer where listeners' events take more than "
       "4 KiB for each of them, and 64 MiB",
       &Config::event_history, CountRange{1, 16777216}},
      {"log-level", kLogGroup, "LEVEL", "Least level that is logged to standard error",
       &Config::log_level, WordList{{"debug", "info", "warning", "error"}}, /*reloads=*/true},
      {"log-format", kLogGroup, "FORMAT", "Lines as text, or as one JSON object each",
       &Config::log_format, WordList{{"text", "json"}}},
  };
}

absl::Status Invalid(absl::string_view text, absl::string_view allowed) {
  return Error(Reason::kFIELD_INVALID, absl::StrCat(text, ": use ", allowed));
}

// ---- To text -----------------------------------------------------------------

std::string Show(bool value) { return value ? "true" : "false"; }
std::string Show(size_t value) { return absl::StrCat(value); }
std::string Show(const std::string& value) { return value; }
std::string Show(const AdminAddress& value) { return value.ToString(); }
std::string Show(absl::Duration value) {
  return value == absl::ZeroDuration() ? "0s" : absl::FormatDuration(value);
}

// ---- From text ---------------------------------------------------------------

absl::Status Read(const Setting&, const std::string& text, bool& value) {
  if (absl::SimpleAtob(text, &value)) return absl::OkStatus();
  return Invalid(text, "true or false");
}

absl::Status Read(const Setting& setting, const std::string& text, size_t& value) {
  const auto [least, most] = std::get<CountRange>(setting.limits);
  if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) return absl::OkStatus();
  return Invalid(text, absl::StrCat("a number from ", least, " to ", most));
}

absl::Status Read(const Setting& setting, const std::string& text, absl::Duration& value) {
  const auto [least, most] = std::get<DurationRange>(setting.limits);
  if (absl::ParseDuration(text, &value) && value >= least && value <= most) return absl::OkStatus();
  return Invalid(text, absl::StrCat("a duration from ", Show(least), " to ", Show(most),
                                    ", e.g. 5s or 500ms"));
}

absl::Status Read(const Setting& setting, const std::string& text, std::string& value) {
  value = text;
  const auto* list = std::get_if<WordList>(&setting.limits);
  if (!list) return absl::OkStatus();
  for (const std::string& word : list->words) {
    if (word == text) return absl::OkStatus();
  }
  return Invalid(text, absl::StrJoin(list->words, ", "));
}

absl::Status Read(const Setting&, const std::string& text, AdminAddress& value) {
  absl::StatusOr<AdminAddress> address = AdminAddress::Parse(text);
  if (address.ok()) value = *std::move(address);
  return address.status();
}

// ---- One value, or a list ----------------------------------------------------

template <typename T>
absl::Status Assign(const Setting& setting, const std::vector<std::string>& texts, T& value) {
  return Read(setting, texts.at(0), value);
}

template <typename T>
absl::Status Assign(const Setting& setting, const std::vector<std::string>& texts,
                    std::vector<T>& values) {
  values.clear();
  for (const std::string& text : texts) {
    if (absl::Status status = Read(setting, text, values.emplace_back()); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

template <typename T>
std::vector<std::string> ShowAll(const T& value) {
  return {Show(value)};
}

template <typename T>
std::vector<std::string> ShowAll(const std::vector<T>& values) {
  std::vector<std::string> out;
  for (const T& value : values) out.push_back(Show(value));
  return out;
}

}  // namespace

absl::Span<const Setting> Settings() {
  static const auto* settings = new std::vector<Setting>(MakeSettings());
  return *settings;
}

std::string VariableOf(const Setting& setting) {
  return absl::StrCat("SOCKHOST_",
                      absl::AsciiStrToUpper(absl::StrReplaceAll(setting.name, {{"-", "_"}})));
}

bool IsSwitch(const Setting& setting) {
  return std::holds_alternative<bool Config::*>(setting.target);
}

bool IsCount(const Setting& setting) {
  return std::holds_alternative<size_t Config::*>(setting.target);
}

bool IsList(const Setting& setting) {
  return std::holds_alternative<std::vector<std::string> Config::*>(setting.target) ||
         std::holds_alternative<std::vector<AdminAddress> Config::*>(setting.target);
}

absl::Status SetValue(const Setting& setting, const std::vector<std::string>& texts,
                      Config& config) {
  return std::visit([&](auto field) { return Assign(setting, texts, config.*field); },
                    setting.target);
}

std::vector<std::string> ValueOf(const Setting& setting, const Config& config) {
  return std::visit([&](auto field) { return ShowAll(config.*field); }, setting.target);
}

}  // namespace sockhost
