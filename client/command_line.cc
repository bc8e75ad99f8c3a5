#include "client/command_line.h"

#include <exception>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/display_text.h"
#include "client/duration_flag.h"
#include "client/help_text.h"
#include "client/nearest_word.h"
#include "client/rpc_error.h"
#include "client/switch_flag.h"

namespace sockhost::client {
namespace {

OutputFormat ParseOutputFormat(const std::string& text) {
  if (text == "table") return OutputFormat::kTable;
  if (text == "json") return OutputFormat::kJson;
  if (text == "name") return OutputFormat::kName;
  throw CLI::ValidationError(
      "--output", absl::StrCat("\"", text, "\" is no format: write table, json or name"));
}

AdminAddress ParseHost(const std::string& text) {
  absl::StatusOr<AdminAddress> address = ParseAdminAddress(text);
  if (address.ok()) return *std::move(address);
  throw CLI::ValidationError("--host (or SOCKCTL_HOST)", std::string(address.status().message()));
}

std::vector<std::string> WordsAndFlagsOf(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* sub : command.get_subcommands({})) words.push_back(sub->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back(absl::StrCat("--", name));
  }
  return words;
}

// Of CLI11's "--filter: 1 required EXPR missing" and "NAME: At Most 1 required but
// received 2".
std::string MismatchText(const std::string& text) {
  const std::string name = text.substr(0, text.find(':'));
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  const bool is_flag = absl::StartsWith(name, "-");
  if (!absl::StrContains(text, "At Most") || words.size() < 4) {
    return absl::StrCat(name, is_flag ? ": a value is missing" : ": one is missing");
  }
  return is_flag ? absl::StrCat(name, " is given ", words.back(), " times; once is enough")
                 : absl::StrCat(name, ": ", words.back(), " are given, not more than ", words[3],
                                " can be");
}

}  // namespace

CommandLine::CommandLine() : app_("", "sockctl") {
  arguments_.host = *ParseAdminAddress(kDefaultAdminAddress);
  app_.set_help_flag("-h,--help", "Show help and exit");
  app_.set_version_flag("--version", absl::StrCat("sockctl ", SOCKHOST_VERSION),
                        "Show the version and exit");
  app_.require_subcommand(1);
  commands_[""] = &app_;
  AddGlobalFlags();
  for (const Verb& verb : Verbs()) AddVerb(verb);
}

void CommandLine::AddGlobalFlags() {
  app_.add_option_function<std::string>(
          "--host", [this](const std::string& text) { arguments_.host = ParseHost(text); },
          absl::StrCat("Admin address: unix:PATH, unix:@NAME, tls://HOST:PORT, tcp://HOST:PORT [",
                       kDefaultAdminAddress, "]"))
      ->envname("SOCKCTL_HOST")
      ->type_name("ADDRESS");
  const auto add_tls = [this](const char* flag, std::string& target, const char* text,
                              const char* variable, const char* type) {
    app_.add_option(flag, target, text)->envname(variable)->type_name(type);
  };
  add_tls("--tls-cert", arguments_.tls.certificate, "Own certificate for tls:// addresses, PEM",
          "SOCKCTL_TLS_CERT", "FILE");
  add_tls("--tls-key", arguments_.tls.key, "Its private key, PEM", "SOCKCTL_TLS_KEY", "FILE");
  add_tls("--tls-ca", arguments_.tls.ca, "Authorities that sign the daemon's certificate, PEM",
          "SOCKCTL_TLS_CA", "FILE");
  add_tls("--tls-server-name", arguments_.tls.server_name,
          "Name that the daemon's certificate must have [the host of the address]",
          "SOCKCTL_TLS_SERVER_NAME", "NAME");
  AddDurationFlag(app_, "--timeout",
                  "Longest wait for an answer; watch: for the first sample [10s]",
                  [this](absl::Duration timeout) { arguments_.timeout = timeout; });
  app_.add_option_function<std::string>(
          "-o,--output",
          [this](const std::string& text) { arguments_.output = ParseOutputFormat(text); },
          "table, json or name [table]")
      ->type_name("FORMAT");
  AddSwitch(app_, "--no-headers", "Tables without titles",
            [this](bool on) { arguments_.no_headers = on; });
}

void CommandLine::AddVerb(const Verb& verb) {
  const std::vector<std::string> words = absl::StrSplit(verb.path, ' ');
  CLI::App& parent = *commands_.at(words.size() == 1 ? "" : words[0]);
  // fallthrough: global flags may stand behind the verb as well.
  CLI::App* command = parent.add_subcommand(words.back(), std::string(verb.summary));
  command->fallthrough();
  // A limit on subcommands at each level also keeps CLI11 from taking a
  // listener called "host" for the verb of that name.
  if (verb.run == nullptr) command->require_subcommand(1);
  if (verb.declare != nullptr) verb.declare(*command, arguments_);
  commands_[std::string(verb.path)] = command;
}

CommandLine::Result CommandLine::Parse(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    if (!IsUtf8(argv[i])) {
      return UsageError("", absl::StrCat("\"", argv[i], "\" is not UTF-8"));
    }
  }
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    return {.verb = nullptr, .text = absl::StrCat(version.what(), "\n"), .exit_code = 0};
  } catch (const CLI::CallForHelp&) {
    const std::vector<std::string> unknown = app_.remaining(true);
    if (!unknown.empty()) return ExplainUnknownWord(ParsedPath(), unknown.front());
    return {.verb = nullptr, .text = HelpText(*this, ParsedPath()), .exit_code = 0};
  } catch (const CLI::ParseError& error) {
    return ExplainError(error);
  } catch (const std::exception& error) {
    // CLI11 lets some of the standard library pass.
    return UsageError(ParsedPath(), error.what());
  }
  const Verb* verb = FindVerb(ParsedPath());
  const std::string explained = absl::StrJoin(arguments_.names, " ");
  if (verb->run == RunHelp && !explained.empty() && FindVerb(explained) == nullptr) {
    return UsageError("help", absl::StrCat("unknown verb \"", explained, "\""));
  }
  return {.verb = verb, .text = "", .exit_code = 0};
}

// The words of the verb as far as they were understood.
std::string CommandLine::ParsedPath() const {
  std::string path;
  const CLI::App* command = &app_;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    absl::StrAppend(&path, path.empty() ? "" : " ", command->get_name());
  }
  return path;
}

CommandLine::Result CommandLine::UsageError(absl::string_view path,
                                            absl::string_view message) const {
  const std::string verb = absl::StrCat(path, path.empty() ? "" : ": ");
  const std::string command = absl::StrCat("sockctl ", path, path.empty() ? "" : " ", "--help");
  return {.verb = nullptr,
          .text = absl::StrCat("sockctl: ", verb, Printable(message), "\n  hint: '", command,
                               "' shows the usage\n"),
          .exit_code = kExitUsage};
}

CommandLine::Result CommandLine::ExplainError(const CLI::ParseError& error) const {
  const std::string path = ParsedPath();
  // A word that nobody knows explains more than what CLI11 missed because of it.
  const std::vector<std::string> unknown = app_.remaining(true);
  if (!unknown.empty()) return ExplainUnknownWord(path, unknown.front());
  const bool verb_missing = path.empty() || FindVerb(path)->run == nullptr;
  if (verb_missing && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return {.verb = nullptr, .text = HelpText(*this, path), .exit_code = kExitUsage};
  }
  const bool is_mismatch = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
  return UsageError(path, is_mismatch ? MismatchText(error.what()) : error.what());
}

CommandLine::Result CommandLine::ExplainUnknownWord(absl::string_view path,
                                                    const std::string& word) const {
  const CLI::App& command = Command(path);
  const bool is_flag = absl::StartsWith(word, "-");
  if (path == "listener update" && word.substr(0, word.find('=')) == "--service") {
    return UsageError(path,
                      "the service of a listener cannot change: delete it and create it anew");
  }
  std::vector<std::string> candidates = WordsAndFlagsOf(command);
  if (!path.empty() && is_flag) {
    const std::vector<std::string> global = WordsAndFlagsOf(app_);
    candidates.insert(candidates.end(), global.begin(), global.end());
  }
  const bool wants_verb = !is_flag && !command.get_subcommands({}).empty();
  const std::string kind = is_flag ? "flag" : wants_verb ? "verb" : "argument";
  const std::string nearest = NearestWord(word, candidates);
  return UsageError(
      path, absl::StrCat("unknown ", kind, " \"", word, "\"",
                         nearest.empty() ? "" : absl::StrCat(": did you mean \"", nearest, "\"?")));
}

}  // namespace sockhost::client
