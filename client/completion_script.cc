#include "client/completion_script.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "client/verb_table.h"

namespace sockhost::client {
namespace {

// The words typed so far, without flags, lead to a row of the case statement.
constexpr absl::string_view kHead =
    R"(# bash completion for sockctl; load it with: source <(sockctl completion bash)
_sockctl() {
  local current=${COMP_WORDS[COMP_CWORD]} path= words= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
)";
constexpr absl::string_view kMiddle = R"(    esac
  done
  case "$path" in
)";
constexpr absl::string_view kTail = R"(  [[ $current == -* ]] && words+=" $global"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _sockctl sockctl
)";

std::vector<std::string> LongFlags(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::string WordsOf(const CLI::App& command) {
  std::vector<std::string> words = LongFlags(command);
  for (const CLI::App* sub : command.get_subcommands({})) words.push_back(sub->get_name());
  return absl::StrJoin(words, " ");
}

// Ids that exist: asked for at the moment of completion, with a short wait.
std::string NamesOf(absl::string_view path) {
  if (!absl::EndsWith(path, " get") && !absl::EndsWith(path, " delete")) return "";
  const absl::string_view noun = path.substr(0, path.find(' '));
  return absl::StrCat(" $(sockctl ", noun, " list -o name --timeout 1s 2>/dev/null | cut -d/ -f2)");
}

}  // namespace

std::string BashCompletion(const CommandLine& command_line) {
  std::string paths, words;
  for (const Verb& verb : Verbs()) {
    const size_t space = verb.path.find(' ');
    const bool nested = space != absl::string_view::npos;
    absl::StrAppend(&paths, "      \"", nested ? verb.path.substr(0, space) : "", " ",
                    nested ? verb.path.substr(space + 1) : verb.path, "\") path=\"", verb.path,
                    "\" ;;\n");
    absl::StrAppend(&words, "    \"", verb.path, "\") words=\"",
                    WordsOf(command_line.Command(verb.path)), NamesOf(verb.path), "\" ;;\n");
  }
  const CLI::App& root = command_line.Command("");
  absl::StrAppend(&words, "    *) words=\"", WordsOf(root), "\" ;;\n");
  return absl::StrCat(kHead, paths, kMiddle, words, "  esac\n  local global=\"",
                      absl::StrJoin(LongFlags(root), " "), "\"\n", kTail);
}

void DeclareCompletion(CLI::App& app, Arguments& arguments) {
  app.add_option("SHELL", arguments.names, "bash")
      ->required()
      ->expected(1)
      ->check(CLI::IsMember({"bash"}))
      ->type_name("");
}

absl::Status RunCompletion(const Arguments&, AdminConnection&, Output& output) {
  return output.Write(BashCompletion(CommandLine()));
}

}  // namespace sockhost::client
