// The one list of settings: flags, variables, keys of the configuration file,
// help and --print-config all come from it.
#ifndef SOCKHOST_SERVER_CONFIG_TABLE_H_
#define SOCKHOST_SERVER_CONFIG_TABLE_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "config.h"

namespace sockhost {

struct CountRange {
  size_t least;
  size_t most;
};

struct DurationRange {
  absl::Duration least;
  absl::Duration most;
};

struct WordList {
  std::vector<std::string> words;
};

// The type of the field says what kind of value a setting has.
using SettingTarget =
    std::variant<bool Config::*, size_t Config::*, absl::Duration Config::*, std::string Config::*,
                 std::vector<std::string> Config::*, std::vector<AdminAddress> Config::*>;

struct Setting {
  // Flag --name, variable SOCKHOST_NAME (upper case, '_' for '-'), key `name`.
  const char* name;
  // Heading in the help.
  const char* group;
  // What the help calls the value, e.g. "N"; not used for switches.
  const char* value;
  const char* help;
  SettingTarget target;
  // Which values are allowed, for counts, durations and words.
  std::variant<std::monostate, CountRange, DurationRange, WordList> limits{};
  // SIGHUP reads it again.
  bool reloads = false;
};

// In the order of the help.
absl::Span<const Setting> Settings();

std::string VariableOf(const Setting& setting);
bool IsSwitch(const Setting& setting);
bool IsCount(const Setting& setting);
// May be given more than once.
bool IsList(const Setting& setting);

// Sets the field in `config`, from one text or, for lists, any number. Error:
// FIELD_INVALID or ADDRESS_INVALID with "TEXT: what is allowed".
absl::Status SetValue(const Setting& setting, const std::vector<std::string>& texts,
                      Config& config);

// The field as texts that SetValue takes.
std::vector<std::string> ValueOf(const Setting& setting, const Config& config);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONFIG_TABLE_H_
