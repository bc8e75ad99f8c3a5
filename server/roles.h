// The roles that are in force.
#ifndef SOCKHOST_SERVER_ROLES_H_
#define SOCKHOST_SERVER_ROLES_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "role_rules.h"

namespace sockhost {

// The rules of the roles file, replaced as a whole when the file changes.
//
// Thread rule: any.
class Roles {
 public:
  // `file` empty: RoleRules::Default() for ever. Error: FIELD_INVALID, with file
  // and line; also for a file without a rule.
  static absl::StatusOr<std::unique_ptr<Roles>> Load(std::string file);

  // For every call anew, so that a change reaches connections that are open.
  AdminRole RoleOf(const AdminPeer& peer) const;

  // Reads the file again. A bad one changes nothing, and the error says why.
  absl::Status Reload();

  // Empty: none.
  const std::string& file() const { return file_; }

 private:
  Roles(std::string file, RoleRules rules);

  const std::string file_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const RoleRules> rules_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ROLES_H_
