#include "server/roles.h"

#include <gmock/gmock.h>

#include <fstream>
#include <string>

#include "sockhost/error.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using testing::HasSubstr;

class RolesTest : public testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }
  static AdminRole RoleOfRoot(const Roles& roles) {
    AdminPeer peer;
    peer.transport = AdminPeer::Transport::kUnix;
    return roles.RoleOf(peer);
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.Path("roles");
};

TEST_F(RolesTest, WithoutFileAreTheDefault) {
  const auto roles = Roles::Load("").value();
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kAdmin);
  EXPECT_TRUE(roles->Reload().ok());
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kAdmin);
}

TEST_F(RolesTest, BadFileIsRefusedAtTheStart) {
  EXPECT_THAT(std::string(Roles::Load(path_).status().message()), HasSubstr(path_));
  Write("uid:0 viewer\nuid:0 king\n");
  EXPECT_THAT(std::string(Roles::Load(path_).status().message()),
              HasSubstr(path_ + ": line 2: role \"king\""));
  Write("# nobody\n");
  EXPECT_THAT(std::string(Roles::Load(path_).status().message()), HasSubstr("no rule"));
}

TEST_F(RolesTest, ReloadTakesGoodFilesOnly) {
  Write("uid:0 viewer\n");
  const auto roles = Roles::Load(path_).value();
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kViewer);
  Write("uid:0 operator\n");
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kViewer);
  EXPECT_TRUE(roles->Reload().ok());
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kOperator);
  Write("uid:0 admin\nnonsense\n");
  EXPECT_THAT(std::string(roles->Reload().message()), HasSubstr("line 2"));
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kOperator) << "not the half of a file";
  for (const char* nobody : {"", "\n", "# uid:0 admin\n"}) {
    Write(nobody);
    EXPECT_FALSE(roles->Reload().ok()) << nobody;
    EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kOperator) << nobody;
  }
  std::remove(path_.c_str());
  EXPECT_FALSE(roles->Reload().ok());
  EXPECT_EQ(RoleOfRoot(*roles), AdminRole::kOperator);
}

}  // namespace
}  // namespace sockhost
