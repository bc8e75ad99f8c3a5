#include "config_reload.h"

#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "config_table.h"
#include "logging.h"

namespace sockhost {
namespace {

// Without the program's name, and without the hint to --help behind it.
absl::string_view WhatIsWrong(const EarlyExit& exit) {
  const absl::string_view text = exit.text;
  return absl::StripPrefix(text.substr(0, text.find('\n')), "sockhostd: ");
}

}  // namespace

bool ReloadConfig(int argc, const char* const* argv, const std::string& version, Config& config) {
  const auto read = ParseConfig(argc, argv, version);
  if (const auto* exit = std::get_if<EarlyExit>(&read)) {
    LogLine(LogLevel::kError, "the configuration is wrong; the old one stays in effect",
            {{"error", WhatIsWrong(*exit)}});
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
