#include "client/switch_flag.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

// CLI11 knows more words, and lets an exception of the standard library pass for
// those that it does not know.
std::string WhatIsWrongWith(const std::string& value) {
  if (value == "true" || value == "false") return "";
  return absl::StrCat("use true or false, not \"", value, "\"");
}

}  // namespace

CLI::Option* AddSwitch(CLI::App& app, const std::string& flag, const std::string& description,
                       std::function<void(bool)> set) {
  return app
      .add_flag_function(
          flag, [set = std::move(set)](int64_t sum) { set(sum > 0); }, description)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->check(WhatIsWrongWith);
}

}  // namespace sockhost::client
