// Who has which role.
#ifndef SOCKHOST_SERVER_ROLE_RULES_H_
#define SOCKHOST_SERVER_ROLE_RULES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin_peer.h"
#include "admin_role.h"

namespace sockhost {

// The rules of a roles file. Text, one rule in a line, SUBJECT ROLE; # starts a
// comment. ROLE is viewer, operator or admin; SUBJECT is one of
//
//   user:NAME   uid:NUMBER     the user of a process on the unix socket
//   group:NAME  gid:NUMBER     a group of it, supplementary ones included
//   dns:NAME  uri:URI  email:ADDRESS
//                              a subject alternative name of a TLS certificate;
//                              a last or first * stands for any characters
//   unix:*  tls:*  tcp:*       whoever comes that way; tcp is without TLS, so
//                              without any proof
//
// A peer has the highest role of the rules that name it, none without one.
// Names of users and groups are looked up when the file is read, in /etc/passwd and
// /etc/group: see account_file.h.
//
// Thread rule: immutable.
class RoleRules {
 public:
  // Without a file: who may open the unix socket is admin, and so is who reaches
  // a TCP address that was opened without TLS on purpose. TLS peers have no role.
  static RoleRules Default();

  // Error: FIELD_INVALID, "line 3: ...".
  static absl::StatusOr<RoleRules> Parse(absl::string_view text);

  AdminRole RoleOf(const AdminPeer& peer) const;

  // There is no rule, so nobody has a role.
  bool empty() const { return rules_.empty(); }

 private:
  enum class Subject { kUid, kGid, kName, kTransport };

  struct Rule {
    Subject subject = Subject::kUid;
    // kUid, kGid.
    uint32_t id = 0;
    // kName: "dns:*.example.com".
    std::string pattern;
    AdminPeer::Transport transport = AdminPeer::Transport::kUnix;
    AdminRole role = AdminRole::kNone;
  };

  static absl::StatusOr<Rule> ParseRule(absl::string_view line);
  static absl::Status ParseSubject(absl::string_view text, Rule& rule);
  static bool Matches(const Rule& rule, const AdminPeer& peer);

  std::vector<Rule> rules_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ROLE_RULES_H_
