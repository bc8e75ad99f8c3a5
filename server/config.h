// What sockhostd is told on its command line, in its environment and in its
// configuration file.
#ifndef SOCKHOST_SERVER_CONFIG_H_
#define SOCKHOST_SERVER_CONFIG_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "admin_address.h"

namespace sockhost {

// The values here are the defaults. Each field of a setting has one row in
// config_table.cc.
struct Config {
  std::vector<AdminAddress> admin{{kDefaultAdminPath, {}, false}};
  bool reflection_tcp = false;
  bool channelz = false;
  // Files of modules, in the order in which they are loaded.
  std::vector<std::string> module;
  // "NAME=SERVICE": which service takes a socket that systemd passes.
  std::vector<std::string> adopt;
  bool insecure_tcp = false;
  bool insecure_tcp_any_address = false;
  // PEM files for tls:// addresses.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  // Empty: no certificate is revoked.
  std::string tls_crl;
  // Empty: RoleRules::Default().
  std::string roles;
  // Empty: none.
  std::string audit_log;
  bool audit_fail_closed = false;
  // 0: as many as the limit of open files allows.
  size_t max_sockets = 0;
  size_t max_listeners = 65536;
  size_t max_watches = 1000;
  size_t closed_sockets = 1024;
  size_t event_history = 16384;
  absl::Duration drain_timeout = absl::Seconds(5);
  bool abort_on_stall = false;
  std::string log_level = "info";
  std::string log_format = "text";
};

// What to do instead of serving.
struct EarlyExit {
  // For standard output; with a code other than 0, what is wrong.
  std::string text;
  // Of the process.
  int code = 0;
  // The log format, as far as it was understood.
  std::string log_format = Config().log_format;
};

// What ParseConfig may read.
enum class ConfigFileKind {
  kAny,
  // Not what could keep a daemon waiting that serves: a FIFO or a terminal, say.
  kRegular,
};

// Reads the configuration: a flag wins over its variable, a variable over the
// file that --config names, the file over the default. `version` is what
// --version prints. Reads the environment: not while another thread changes it.
std::variant<Config, EarlyExit> ParseConfig(int argc, const char* const* argv,
                                            const std::string& version,
                                            ConfigFileKind kind = ConfigFileKind::kAny);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONFIG_H_
