#include "client/help_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/verb_table.h"

namespace sockhost::client {
namespace {

constexpr absl::string_view kExitCodes =
    "exit codes: 0 done, 1 other error, 2 wrong usage, 64 + gRPC code if a call failed\n";

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string Section(absl::string_view title, const Rows& rows) {
  size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  std::string text = absl::StrCat("\n", title, ":\n");
  for (const auto& [left, right] : rows) {
    absl::StrAppend(&text, "  ", left, std::string(width - left.size() + 2, ' '), right, "\n");
  }
  return rows.empty() ? "" : text;
}

std::string FlagText(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  const std::string flag = absl::StrJoin(names, ", ");
  if (option.get_type_size() == 0) return flag;
  // CLI11 appends the checks of the value to its type, behind a colon.
  const std::string type = option.get_type_name();
  return absl::StrCat(flag, " ", type.substr(0, type.find(':')));
}

Rows FlagsOf(const CLI::App& command) {
  Rows rows;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) continue;
    const std::string env = option->get_envname();
    rows.push_back(
        {FlagText(*option),
         absl::StrCat(option->get_description(), option->get_required() ? " (required)" : "",
                      env.empty() ? "" : absl::StrCat("; environment: ", env))});
  }
  return rows;
}

Rows PositionalsOf(const CLI::App& command) {
  Rows rows;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) {
      rows.push_back({option->get_single_name(), option->get_description()});
    }
  }
  return rows;
}

// All verbs below `path`; of everything if it is empty.
Rows VerbsBelow(absl::string_view path) {
  Rows rows;
  for (const Verb& verb : Verbs()) {
    const bool below = path.empty() || absl::StartsWith(verb.path, absl::StrCat(path, " "));
    if (below && verb.run != nullptr)
      rows.push_back({std::string(verb.path), std::string(verb.summary)});
  }
  return rows;
}

std::string PositionalUsage(const CLI::App& command) {
  std::string usage;
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const std::string name =
        absl::StrCat(option->get_single_name(), option->get_expected_max() > 1 ? "..." : "");
    absl::StrAppend(&usage, " ", option->get_required() ? name : absl::StrCat("[", name, "]"));
  }
  return usage;
}

// Flags that must be given, written out.
std::string RequiredFlagUsage(const CLI::App& command) {
  std::string usage;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_required() && !option->get_positional()) {
      absl::StrAppend(&usage, " ", FlagText(*option));
    }
  }
  return usage;
}

std::string RootHelp(const CommandLine& command_line) {
  return absl::StrCat(
      "sockctl drives sockhostd: it makes listeners, shows sockets, watches their counters.\n\n"
      "usage: sockctl VERB [ARGUMENT...] [FLAG...]\n",
      Section("verbs", VerbsBelow("")),
      Section("flags, before or after the verb", FlagsOf(command_line.Command(""))),
      "\n'sockctl VERB --help' shows the flags of a verb and an example\n", kExitCodes);
}

}  // namespace

std::string HelpText(const CommandLine& command_line, absl::string_view path) {
  if (path.empty()) return RootHelp(command_line);
  const Verb& verb = *FindVerb(path);
  const CLI::App& command = command_line.Command(path);
  if (verb.run == nullptr) {
    return absl::StrCat(verb.summary, "\n\nusage: sockctl ", path,
                        " VERB [ARGUMENT...] [FLAG...]\n", Section("verbs", VerbsBelow(path)),
                        "\n'sockctl ", path,
                        " VERB --help' shows the flags of a verb and an example\n");
  }
  return absl::StrCat(verb.summary, "\n\nusage: sockctl ", path, PositionalUsage(command),
                      RequiredFlagUsage(command), " [FLAG...]\n",
                      Section("arguments", PositionalsOf(command)),
                      Section("flags", FlagsOf(command)), "\nexample:\n  ", verb.example,
                      "\n\n'sockctl --help' shows the flags that every verb takes\n");
}

void DeclareHelp(CLI::App& app, Arguments& arguments) {
  app.add_option("VERB", arguments.names, "What to explain, e.g. listener create; none: everything")
      ->expected(0, 2)
      ->type_name("");
}

absl::Status RunHelp(const Arguments& arguments, AdminConnection&, Output& output) {
  return output.Write(HelpText(CommandLine(), absl::StrJoin(arguments.names, " ")));
}

}  // namespace sockhost::client
