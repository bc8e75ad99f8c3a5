// Flags that are on or off: --enabled, --enabled=true, --enabled=false.
#ifndef SOCKHOST_CLIENT_SWITCH_FLAG_H_
#define SOCKHOST_CLIENT_SWITCH_FLAG_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace sockhost::client {

// Adds `flag`, which calls `set`; true where no value is given, the last one where it
// is given several times. Another value than true and false is a usage error that
// names it.
CLI::Option* AddSwitch(CLI::App& app, const std::string& flag, const std::string& description,
                       std::function<void(bool)> set);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_SWITCH_FLAG_H_
