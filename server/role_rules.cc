#include "role_rules.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "account_file.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

absl::Status Wrong(absl::string_view what, absl::string_view value, absl::string_view advice) {
  return Error(Reason::kFIELD_INVALID,
               absl::StrCat(what, " \"", absl::CHexEscape(value.substr(0, 128)), "\": ", advice));
}

absl::StatusOr<AdminRole> ParseRole(absl::string_view text) {
  for (const AdminRole role : {AdminRole::kViewer, AdminRole::kOperator, AdminRole::kAdmin}) {
    if (text == RoleName(role)) return role;
  }
  return Wrong("role", text, "write viewer, operator or admin");
}

absl::StatusOr<AdminPeer::Transport> ParseTransport(absl::string_view text) {
  using Transport = AdminPeer::Transport;
  for (const Transport transport : {Transport::kUnix, Transport::kTls, Transport::kTcp}) {
    if (text == TransportName(transport)) return transport;
  }
  return Wrong("subject", text,
               "write user:, uid:, group:, gid:, dns:, uri:, email:, unix:*, tls:* or tcp:*");
}

// A name, with a * at one of its ends or without.
bool IsPattern(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "*")) absl::ConsumeSuffix(&text, "*");
  return !text.empty() && !absl::StrContains(text, '*');
}

bool NameMatches(absl::string_view pattern, absl::string_view kind, absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kind) || !absl::ConsumePrefix(&pattern, kind)) return false;
  // RFC 4343.
  if (kind == "dns:") {
    if (absl::ConsumePrefix(&pattern, "*")) return absl::EndsWithIgnoreCase(name, pattern);
    if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWithIgnoreCase(name, pattern);
    return absl::EqualsIgnoreCase(name, pattern);
  }
  if (absl::ConsumePrefix(&pattern, "*")) return absl::EndsWith(name, pattern);
  if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWith(name, pattern);
  return name == pattern;
}

}  // namespace

absl::string_view RoleName(AdminRole role) {
  switch (role) {
    case AdminRole::kViewer:
      return "viewer";
    case AdminRole::kOperator:
      return "operator";
    case AdminRole::kAdmin:
      return "admin";
    case AdminRole::kNone:
      break;
  }
  return "none";
}

RoleRules RoleRules::Default() { return *Parse("unix:* admin\ntcp:* admin\n"); }

absl::StatusOr<RoleRules> RoleRules::Parse(absl::string_view text) {
  RoleRules out;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    absl::StatusOr<Rule> rule = ParseRule(line);
    if (!rule.ok()) {
      return Error(Reason::kFIELD_INVALID,
                   absl::StrCat("line ", number, ": ", rule.status().message()));
    }
    out.rules_.push_back(*std::move(rule));
  }
  return out;
}

absl::StatusOr<RoleRules::Rule> RoleRules::ParseRule(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  if (words.size() != 2) return Wrong("rule", line, "write SUBJECT ROLE, e.g. uid:1000 viewer");
  Rule rule;
  if (absl::Status status = ParseSubject(words[0], rule); !status.ok()) return status;
  const absl::StatusOr<AdminRole> role = ParseRole(words[1]);
  if (!role.ok()) return role.status();
  rule.role = *role;
  return rule;
}

absl::Status RoleRules::ParseSubject(absl::string_view text, Rule& rule) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  const auto [kind, value] = parts;
  if (kind == "uid" || kind == "gid") {
    rule.subject = kind == "uid" ? Subject::kUid : Subject::kGid;
    // The highest number stands for nobody in the kernel.
    const bool valid = absl::SimpleAtoi(value, &rule.id) && rule.id != UINT32_MAX;
    return valid ? absl::OkStatus() : Wrong(kind, value, "a number from 0 to 4294967294 is wanted");
  }
  if (kind == "user" || kind == "group") {
    const bool is_user = kind == "user";
    rule.subject = is_user ? Subject::kUid : Subject::kGid;
    const std::string name(value);
    const std::optional<uint32_t> id = is_user ? UserId(name) : GroupId(name);
    rule.id = id.value_or(0);
    if (id) return absl::OkStatus();
    return Wrong(kind, value,
                 is_user ? "no user of /etc/passwd; write uid: and the number of another one"
                         : "no group of /etc/group; write gid: and the number of another one");
  }
  if (kind == "dns" || kind == "uri" || kind == "email") {
    rule.subject = Subject::kName;
    rule.pattern = std::string(text);
    return IsPattern(value)
               ? absl::OkStatus()
               : Wrong(kind, value, "a name is wanted, with at most one *, first or last in it");
  }
  const absl::StatusOr<AdminPeer::Transport> transport = ParseTransport(kind);
  if (!transport.ok()) return transport.status();
  rule.subject = Subject::kTransport;
  rule.transport = *transport;
  return value == "*" ? absl::OkStatus() : Wrong(kind, value, "only * is known");
}

bool RoleRules::Matches(const Rule& rule, const AdminPeer& peer) {
  const bool is_unix = peer.transport == AdminPeer::Transport::kUnix;
  switch (rule.subject) {
    case Subject::kUid:
      return is_unix && peer.uid == rule.id;
    case Subject::kGid:
      return is_unix && (peer.gid == rule.id || std::find(peer.groups.begin(), peer.groups.end(),
                                                          rule.id) != peer.groups.end());
    case Subject::kTransport:
      return peer.transport == rule.transport;
    case Subject::kName:
      break;
  }
  const std::string kind = rule.pattern.substr(0, rule.pattern.find(':') + 1);
  return peer.transport == AdminPeer::Transport::kTls &&
         std::any_of(peer.names.begin(), peer.names.end(), [&](const std::string& name) {
           return NameMatches(rule.pattern, kind, name);
         });
}

AdminRole RoleRules::RoleOf(const AdminPeer& peer) const {
  AdminRole role = AdminRole::kNone;
  for (const Rule& rule : rules_) {
    if (rule.role > role && Matches(rule, peer)) role = rule.role;
  }
  return role;
}

}  // namespace sockhost
