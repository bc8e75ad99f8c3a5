#include "config_reload.h"

#include <variant>
#include <vector>

#include "config_table.h"
#include "logging.h"

namespace sockhost {

bool ReloadConfig(int argc, const char* const* argv, const std::string& version, Config& config) {
  const auto read = ParseConfig(argc, argv, version, ConfigFileKind::kRegular);
  if (const auto* exit = std::get_if<EarlyExit>(&read)) {
    LogLine(LogLevel::kError, "the configuration is wrong; the old one stays in effect",
            {{"error", exit->text}});
    return false;
  }
  for (const Setting& setting : Settings()) {
    const std::vector<std::string> value = ValueOf(setting, std::get<Config>(read));
    if (value == ValueOf(setting, config)) continue;
    if (!setting.reloads) {
      LogLine(LogLevel::kWarning, "a setting has changed that takes effect at the next start",
              {{"setting", setting.name}});
      continue;
    }
    // ParseConfig has taken this value.
    if (SetValue(setting, value, config).ok()) {
      LogLine(LogLevel::kInfo, "a setting has changed", {{"setting", setting.name}});
    }
  }
  return true;
}

}  // namespace sockhost
