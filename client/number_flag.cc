#include "client/number_flag.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sockhost::client {
namespace {

std::string TextOf(const NumberRange& range) {
  return range.most == std::numeric_limits<int64_t>::max()
             ? absl::StrCat("from ", range.least, " up")
             : absl::StrCat("from ", range.least, " to ", range.most);
}

// Decimal in any case: where 0100 is 64 and 0x10 is 16, nobody notices a slip.
bool ParseDecimal(const std::string& text, int64_t* number) {
  const size_t digits = text.find_first_not_of('-');
  return digits != std::string::npos &&
         text.find_first_not_of("0123456789", digits) == std::string::npos &&
         absl::SimpleAtoi(text, number);
}

}  // namespace

CLI::Option* AddNumberFlag(CLI::App& app, const std::string& flag, const std::string& description,
                           NumberRange range, std::function<void(int64_t)> set) {
  return app
      .add_option_function<std::string>(
          flag,
          [flag, range, set = std::move(set)](const std::string& text) {
            int64_t number = 0;
            if (!ParseDecimal(text, &number) || number < range.least || number > range.most) {
              throw CLI::ValidationError(flag, absl::StrCat("\"", text, "\" is no whole number ",
                                                            TextOf(range), ", in decimal digits"));
            }
            set(number);
          },
          description)
      ->type_name("N");
}

}  // namespace sockhost::client
