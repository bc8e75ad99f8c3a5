#include "server/method_rules.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {
namespace {

const google::protobuf::ServiceDescriptor& Service() {
  return *v1::Host::descriptor()->file()->pool()->FindServiceByName("sockhost.v1.AdminService");
}

// What the comment of each RPC says: "Needs the role viewer."
std::map<std::string, std::string> RolesOfTheContract() {
  std::map<std::string, std::string> roles;
  std::ifstream file(SOCKHOST_SOURCE_DIR "/proto/sockhost/v1/admin.proto");
  std::string comment;
  for (std::string line; std::getline(file, line);) {
    absl::string_view text = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&text, "//")) {
      absl::StrAppend(&comment, text);
      continue;
    }
    if (absl::ConsumePrefix(&text, "rpc ")) {
      const size_t found = comment.find("Needs the role ");
      const size_t begin = found + sizeof("Needs the role ") - 1;
      const std::string role =
          found == std::string::npos ? "" : comment.substr(begin, comment.find('.', begin) - begin);
      roles[std::string(text.substr(0, text.find('(')))] = role;
    }
    comment.clear();
  }
  return roles;
}

TEST(MethodRulesTest, EveryMethodHasTheRoleOfTheContract) {
  const std::map<std::string, std::string> roles = RolesOfTheContract();
  for (int i = 0; i < Service().method_count(); ++i) {
    const std::string name = Service().method(i)->name();
    const MethodRule* rule = RuleOf(absl::StrCat("/", Service().full_name(), "/", name));
    ASSERT_NE(rule, nullptr) << name << " has no row in server/method_rules.h";
    ASSERT_EQ(roles.count(name), 1u) << name;
    EXPECT_EQ(RoleName(rule->role), roles.at(name))
        << name << ": its comment in admin.proto says \"Needs the role ...\"";
  }
}

TEST(MethodRulesTest, WhatReadsNeedsNoMoreThanAViewerAndChangesNothing) {
  for (int i = 0; i < Service().method_count(); ++i) {
    const std::string name = Service().method(i)->name();
    const MethodRule* rule = RuleOf(absl::StrCat("/", Service().full_name(), "/", name));
    ASSERT_NE(rule, nullptr) << name;
    const bool reads = absl::StartsWith(name, "Get") || absl::StartsWith(name, "List") ||
                       absl::StartsWith(name, "Watch");
    EXPECT_EQ(rule->changes, !reads) << name;
    EXPECT_EQ(rule->role == AdminRole::kViewer, reads) << name;
  }
}

TEST(MethodRulesTest, UnknownMethodsNobodyMayCall) {
  for (const char* method : {"", "/", "/sockhost.v1.AdminService/", "/sockhost.v1.AdminService/X",
                             "sockhost.v1.AdminService/GetHost", "/other.Service/GetHost"}) {
    EXPECT_EQ(RuleOf(method), nullptr) << method;
  }
}

TEST(MethodRulesTest, HealthIsForEverybody) {
  EXPECT_EQ(RuleOf("/grpc.health.v1.Health/Check")->role, AdminRole::kNone);
  EXPECT_EQ(RuleOf("/grpc.health.v1.Health/Watch")->role, AdminRole::kNone);
}

}  // namespace
}  // namespace sockhost
