// What SIGHUP changes.
#ifndef SOCKHOST_SERVER_CONFIG_RELOAD_H_
#define SOCKHOST_SERVER_CONFIG_RELOAD_H_

#include <string>

#include "config.h"

namespace sockhost {

// Reads the configuration again as ParseConfig does, and takes over into `config`
// what can change while the daemon serves. What needs a restart is named in the
// log. A wrong configuration is logged, and changes nothing. Returns whether the
// configuration could be read.
bool ReloadConfig(int argc, const char* const* argv, const std::string& version, Config& config);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONFIG_RELOAD_H_
