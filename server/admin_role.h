// Roles on the admin API.
#ifndef SOCKHOST_SERVER_ADMIN_ROLE_H_
#define SOCKHOST_SERVER_ADMIN_ROLE_H_

#include "absl/strings/string_view.h"

namespace sockhost {

// Each may do what those before it may.
enum class AdminRole {
  kNone,      // nothing but ask for health
  kViewer,    // reads and watches
  kOperator,  // changes listeners and sockets
  kAdmin,     // changes the daemon itself
};

// "none", "viewer", "operator", "admin".
absl::string_view RoleName(AdminRole role);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_ROLE_H_
