// What sockhostd is told on its command line and in its environment.
#ifndef SOCKHOST_SERVER_CONFIG_H_
#define SOCKHOST_SERVER_CONFIG_H_

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "admin_address.h"

namespace sockhost {

struct Config {
  std::vector<AdminAddress> admin;
  // Files of modules, in the order in which they are loaded.
  std::vector<std::string> modules;
  bool insecure_tcp = false;
  bool insecure_tcp_any_address = false;
  // 0: as many as the limit of open files allows.
  size_t max_sockets = 0;
  size_t max_listeners = 65536;
  size_t max_watches = 1000;
  absl::Duration drain_timeout = absl::Seconds(5);
  std::string log_level = "info";
};

// What to do instead of serving: text for standard output or error, and the exit
// code.
struct EarlyExit {
  std::string text;
  int code = 0;
};

// Reads the flags, each of which can also be given in the environment; the
// command line wins. `version` is what --version prints.
std::variant<Config, EarlyExit> ParseConfig(int argc, const char* const* argv,
                                            const std::string& version);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONFIG_H_
