#include "config.h"

#include <CLI/CLI.hpp>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr char kDefaultAdmin[] = "unix:/run/sockhost/admin.sock";
constexpr int kUsageError = 2;

// A TCP admin address is open to whoever reaches it, until there is TLS: it must
// be asked for in so many words.
absl::Status CheckExposure(const Config& config) {
  for (const AdminAddress& address : config.admin) {
    if (address.is_unix()) continue;
    if (!config.insecure_tcp && !config.insecure_tcp_any_address) {
      return Error(Reason::kADDRESS_INVALID,
                   absl::StrCat("--admin ", address.ToString(),
                                ": TCP has no access control; add --insecure-tcp to open it all "
                                "the same, or use unix:/path"));
    }
    if (!IsLoopback(address.tcp) && !config.insecure_tcp_any_address) {
      return Error(Reason::kADDRESS_INVALID,
                   absl::StrCat("--admin ", address.ToString(),
                                ": --insecure-tcp is for loopback addresses only; to let every "
                                "host that reaches the address drive the daemon, add "
                                "--insecure-tcp-any-address"));
    }
  }
  return absl::OkStatus();
}

absl::Status Finish(const std::vector<std::string>& admin, const std::string& drain_timeout,
                    Config& config) {
  for (const std::string& text : admin) {
    absl::StatusOr<AdminAddress> address = AdminAddress::Parse(text);
    if (!address.ok()) return address.status();
    config.admin.push_back(*std::move(address));
  }
  if (!absl::ParseDuration(drain_timeout, &config.drain_timeout) ||
      config.drain_timeout < absl::ZeroDuration() || config.drain_timeout > absl::Hours(1)) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("--drain-timeout ", drain_timeout,
                              ": use a duration from 0s to 1h, e.g. 5s or 500ms"));
  }
  return CheckExposure(config);
}

EarlyExit UsageError(absl::string_view why) {
  return {absl::StrCat("sockhostd: ", why, "\nsockhostd: see sockhostd --help\n"), kUsageError};
}

}  // namespace

std::variant<Config, EarlyExit> ParseConfig(int argc, const char* const* argv,
                                            const std::string& version) {
  Config config;
  std::vector<std::string> admin{kDefaultAdmin};
  std::string drain_timeout = "5s";

  CLI::App app{"Hosts many network services on one thread, driven over a gRPC admin API.",
               "sockhostd"};
  app.set_version_flag("--version", absl::StrCat("sockhostd ", version));
  app.get_formatter()->column_width(36);
  app.add_option("--admin", admin,
                 "Address of the admin API: unix:/path or tcp://HOST:PORT (port 0: any); can be "
                 "repeated")
      ->envname("SOCKHOST_ADMIN")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--module", config.modules,
                 "Shared object with services, loaded at start; can be repeated")
      ->envname("SOCKHOST_MODULES")
      ->delimiter(',');
  app.add_flag("--insecure-tcp", config.insecure_tcp,
               "Allow TCP admin addresses on loopback, without access control")
      ->envname("SOCKHOST_INSECURE_TCP");
  app.add_flag("--insecure-tcp-any-address", config.insecure_tcp_any_address,
               "Allow TCP admin addresses on every interface, without access control")
      ->envname("SOCKHOST_INSECURE_TCP_ANY_ADDRESS");
  app.add_option("--max-sockets", config.max_sockets,
                 "Sockets at the same time (0: as many as the limit of open files allows)")
      ->envname("SOCKHOST_MAX_SOCKETS")
      ->check(CLI::Range(size_t{0}, size_t{1048576}))
      ->capture_default_str();
  app.add_option("--max-listeners", config.max_listeners, "Listeners at the same time")
      ->envname("SOCKHOST_MAX_LISTENERS")
      ->check(CLI::Range(size_t{1}, size_t{1048576}))
      ->capture_default_str();
  app.add_option("--max-watches", config.max_watches, "Streams of watches at the same time")
      ->envname("SOCKHOST_MAX_WATCHES")
      ->check(CLI::Range(size_t{1}, size_t{100000}))
      ->capture_default_str();
  app.add_option("--drain-timeout", drain_timeout,
                 "How long connections may go on after SIGTERM (0s: not at all)")
      ->envname("SOCKHOST_DRAIN_TIMEOUT")
      ->capture_default_str();
  app.add_option("--log-level", config.log_level, "Least level that is logged to standard error")
      ->envname("SOCKHOST_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.footer("SIGTERM and SIGINT drain and stop; a second one stops at once.");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream problem;
    if (app.exit(error, out, problem) == 0) return EarlyExit{out.str(), 0};
    return UsageError(error.what());
  }
  if (absl::Status status = Finish(admin, drain_timeout, config); !status.ok()) {
    return UsageError({status.message().data(), status.message().size()});
  }
  return config;
}

}  // namespace sockhost
