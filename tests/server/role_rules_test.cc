#include "server/role_rules.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "sockhost/error.h"

// In place of those of libc: who asked a directory server would wait for it.
extern "C" int getpwnam_r(const char*, passwd*, char*, size_t, passwd** found) {
  *found = nullptr;
  return EIO;
}

extern "C" int getgrnam_r(const char*, group*, char*, size_t, group** found) {
  *found = nullptr;
  return EIO;
}

namespace sockhost {
namespace {

using testing::HasSubstr;

AdminPeer UnixPeerOf(uid_t uid, gid_t gid = 100, std::vector<gid_t> groups = {}) {
  AdminPeer peer;
  peer.transport = AdminPeer::Transport::kUnix;
  peer.uid = uid;
  peer.gid = gid;
  peer.groups = std::move(groups);
  return peer;
}

AdminPeer TlsPeerOf(std::vector<std::string> names) {
  AdminPeer peer;
  peer.transport = AdminPeer::Transport::kTls;
  peer.names = std::move(names);
  return peer;
}

AdminPeer TcpPeerOf() { return {}; }

AdminRole RoleOf(const std::string& rules, const AdminPeer& peer) {
  return RoleRules::Parse(rules).value().RoleOf(peer);
}

TEST(RoleRulesTest, DefaultTrustsWhoMayOpenTheSocketAndNoCertificate) {
  const RoleRules rules = RoleRules::Default();
  EXPECT_EQ(rules.RoleOf(UnixPeerOf(1000)), AdminRole::kAdmin);
  EXPECT_EQ(rules.RoleOf(TcpPeerOf()), AdminRole::kAdmin);
  EXPECT_EQ(rules.RoleOf(TlsPeerOf({"dns:a.test"})), AdminRole::kNone);
}

TEST(RoleRulesTest, NobodyHasARoleWithoutARule) {
  for (const AdminPeer& peer : {UnixPeerOf(0), TlsPeerOf({"dns:a.test"}), TcpPeerOf()}) {
    EXPECT_EQ(RoleOf("", peer), AdminRole::kNone);
    EXPECT_EQ(RoleOf("# uid:0 admin\n\n  \n", peer), AdminRole::kNone);
  }
}

TEST(RoleRulesTest, UsersAndGroupsByNumberAndName) {
  EXPECT_EQ(RoleOf("uid:1000 viewer", UnixPeerOf(1000)), AdminRole::kViewer);
  EXPECT_EQ(RoleOf("uid:1000 viewer", UnixPeerOf(1001)), AdminRole::kNone);
  EXPECT_EQ(RoleOf("user:root operator", UnixPeerOf(0)), AdminRole::kOperator);
  EXPECT_EQ(RoleOf("gid:7 admin", UnixPeerOf(1, 7)), AdminRole::kAdmin);
  EXPECT_EQ(RoleOf("gid:7 admin", UnixPeerOf(1, 100, {5, 7})), AdminRole::kAdmin);
  EXPECT_EQ(RoleOf("gid:7 admin", UnixPeerOf(7, 100, {5})), AdminRole::kNone);
  EXPECT_EQ(RoleOf("group:root viewer", UnixPeerOf(1, 0)), AdminRole::kViewer);
}

TEST(RoleRulesTest, NumbersOfUsersAreForTheUnixSocketOnly) {
  // Its uid is 0 like that of root, but nobody has said so.
  EXPECT_EQ(RoleOf("uid:0 admin\ngid:0 admin\nunix:* admin", TlsPeerOf({"dns:a.test"})),
            AdminRole::kNone);
  EXPECT_EQ(RoleOf("uid:0 admin\ngid:0 admin\nunix:* admin", TcpPeerOf()), AdminRole::kNone);
}

TEST(RoleRulesTest, NamesOfCertificates) {
  const AdminPeer peer = TlsPeerOf({"dns:ops.example.com", "uri:spiffe://example/ops"});
  EXPECT_EQ(RoleOf("dns:ops.example.com viewer", peer), AdminRole::kViewer);
  for (const char* dns : {"dns:Ops.EXAMPLE.com", "dns:*.Example.com", "dns:OPS.*"}) {
    EXPECT_EQ(RoleOf(absl::StrCat(dns, " viewer"), peer), AdminRole::kViewer) << dns;
  }
  EXPECT_EQ(RoleOf("uri:spiffe://Example/ops viewer", peer), AdminRole::kNone);
  EXPECT_EQ(RoleOf("uri:spiffe://example/ops viewer", peer), AdminRole::kViewer);
  EXPECT_EQ(RoleOf("dns:*.example.com viewer", peer), AdminRole::kViewer);
  EXPECT_EQ(RoleOf("uri:spiffe://example/* viewer", peer), AdminRole::kViewer);
  EXPECT_EQ(RoleOf("tls:* viewer", peer), AdminRole::kViewer);
  for (const char* other : {"dns:example.com", "dns:ops.example.co", "dns:s.example.com",
                            "email:ops.example.com", "uri:ops.example.com", "dns:*.example",
                            "uri:spiffe://example/o", "uri:spiffe://example/opss*"}) {
    EXPECT_EQ(RoleOf(std::string(other) + " admin", peer), AdminRole::kNone) << other;
  }
}

TEST(RoleRulesTest, HighestRoleCountsInAnyOrder) {
  for (const char* rules : {"uid:1 viewer\nunix:* operator\ngid:9 admin",
                            "gid:9 admin\nunix:* operator\nuid:1 viewer"}) {
    EXPECT_EQ(RoleOf(rules, UnixPeerOf(1, 9)), AdminRole::kAdmin);
    EXPECT_EQ(RoleOf(rules, UnixPeerOf(1)), AdminRole::kOperator);
  }
}

TEST(RoleRulesTest, BlanksAndCommentsDoNotMatter) {
  EXPECT_EQ(RoleOf("\t uid:5 \t viewer  # the probe\r\n", UnixPeerOf(5)), AdminRole::kViewer);
}

TEST(RoleRulesTest, WrongLineIsNamed) {
  for (const char* line : {"uid:1",
                           "uid:1 viewer operator",
                           "uid:1 Viewer",
                           "uid:1 root",
                           "uid:x viewer",
                           "uid: viewer",
                           "uid:-1 viewer",
                           "uid:4294967295 viewer",
                           "uid:4294967296 viewer",
                           "gid:1.5 viewer",
                           "user:no-such-user-here viewer",
                           "group:no-such-group-here viewer",
                           "user: viewer",
                           "dns: viewer",
                           "dns:* viewer",
                           "dns:a*b viewer",
                           "dns:*a* viewer",
                           "dns:** viewer",
                           "unix: viewer",
                           "unix:x viewer",
                           "tcp:1.2.3.4 viewer",
                           "udp:* viewer",
                           "anybody viewer",
                           ": viewer",
                           "cn:ops viewer"}) {
    const absl::Status status =
        RoleRules::Parse(std::string("# first\n") + line + "\nuid:1 viewer\n").status();
    ASSERT_TRUE(DetailOf(status).has_value()) << line;
    EXPECT_EQ(DetailOf(status)->reason, Reason::kFIELD_INVALID) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 2: ")) << line;
  }
}

}  // namespace
}  // namespace sockhost
