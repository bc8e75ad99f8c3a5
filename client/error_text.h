// Errors as the user reads them on standard error.
#ifndef SOCKHOST_CLIENT_ERROR_TEXT_H_
#define SOCKHOST_CLIENT_ERROR_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sockhost::client {

// What to do about a reason of the admin API; empty if there is no advice.
absl::string_view HintOf(absl::string_view reason);

// One line "sockctl: what failed: which value: why (REASON)", then, indented, a
// line for each wrong field, for each value that the first line leaves out, and a hint.
// Text of the daemon is made printable. Ends with a line end. `verb` is the path of
// the verb that failed: examples are of what it shows.
std::string ErrorText(const absl::Status& status, absl::string_view verb = "");

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_ERROR_TEXT_H_
