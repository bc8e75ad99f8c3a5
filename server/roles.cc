#include "roles.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "watched_files.h"

namespace sockhost {
namespace {

absl::StatusOr<RoleRules> Read(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadSmallFile(file);
  if (!text.ok()) return text.status();
  absl::StatusOr<RoleRules> rules = RoleRules::Parse(*text);
  // As a file is that somebody is about to write.
  if (rules.ok() && rules->empty()) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat(file,
                              ": it has no rule, nobody would have a role: write SUBJECT ROLE "
                              "in a line, e.g. uid:0 admin"));
  }
  if (rules.ok()) return rules;
  return Error(Reason::kFIELD_INVALID, absl::StrCat(file, ": ", rules.status().message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Roles>> Roles::Load(std::string file) {
  if (file.empty()) return std::unique_ptr<Roles>(new Roles("", RoleRules::Default()));
  absl::StatusOr<RoleRules> rules = Read(file);
  if (!rules.ok()) return rules.status();
  return std::unique_ptr<Roles>(new Roles(std::move(file), *std::move(rules)));
}

Roles::Roles(std::string file, RoleRules rules)
    : file_(std::move(file)), rules_(std::make_shared<const RoleRules>(std::move(rules))) {}

AdminRole Roles::RoleOf(const AdminPeer& peer) const {
  std::shared_ptr<const RoleRules> rules;
  {
    absl::MutexLock lock(&mutex_);
    rules = rules_;
  }
  return rules->RoleOf(peer);
}

absl::Status Roles::Reload() {
  if (file_.empty()) return absl::OkStatus();
  absl::StatusOr<RoleRules> rules = Read(file_);
  if (!rules.ok()) return rules.status();
  auto shared = std::make_shared<const RoleRules>(*std::move(rules));
  absl::MutexLock lock(&mutex_);
  rules_ = std::move(shared);
  return absl::OkStatus();
}

}  // namespace sockhost
