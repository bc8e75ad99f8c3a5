#include "method_rules.h"

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace sockhost {
namespace {

using Rules = absl::flat_hash_map<std::string, MethodRule>;

void AddAdminService(Rules& rules) {
  const auto add = [&rules](absl::string_view method, AdminRole role, bool changes) {
    rules[absl::StrCat("/sockhost.v1.AdminService/", method)] = {role, changes};
  };
#define SOCKHOST_X(method, request, response, role, changes) add(#method, AdminRole::role, changes);
  SOCKHOST_UNARY_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
#define SOCKHOST_X(method, request, response, role) add(#method, AdminRole::role, false);
  SOCKHOST_STREAM_METHODS(SOCKHOST_X)
#undef SOCKHOST_X
}

Rules MakeRules() {
  Rules rules;
  AddAdminService(rules);
  // Probes of orchestrators have no role, and health is no secret.
  for (const char* method : {"Check", "Watch"}) {
    rules[absl::StrCat("/grpc.health.v1.Health/", method)] = {AdminRole::kNone, false};
  }
  // The contract is public, but only members of the house ask for it here.
  for (const char* version : {"v1", "v1alpha"}) {
    rules[absl::StrCat("/grpc.reflection.", version, ".ServerReflection/ServerReflectionInfo")] = {
        AdminRole::kViewer, false};
  }
  // Tells of other peers and their calls.
  for (const char* method : {"GetTopChannels", "GetServers", "GetServer", "GetServerSockets",
                             "GetChannel", "GetSubchannel", "GetSocket"}) {
    rules[absl::StrCat("/grpc.channelz.v1.Channelz/", method)] = {AdminRole::kOperator, false};
  }
  return rules;
}

}  // namespace

const MethodRule* RuleOf(absl::string_view method) {
  static const auto* rules = new Rules(MakeRules());
  const auto found = rules->find(method);
  return found == rules->end() ? nullptr : &found->second;
}

}  // namespace sockhost
