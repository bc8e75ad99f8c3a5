#include "client/completion_script.h"

namespace sockhost::client {
namespace {

// Each script asks `sockctl complete` for the possibilities, so that they are the same in all
// shells.

constexpr char kBash[] =
    R"(# bash completion for sockctl; load it with: source <(sockctl completion bash)
_sockctl() {
  local line=${COMP_LINE:0:COMP_POINT} current words
  current=${line##*[[:space:]]}
  read -ra words <<< "${line%"$current"}"
  mapfile -t COMPREPLY < <("${words[0]:-$1}" complete -- "${words[@]:1}" "$current" 2>/dev/null)
  # readline replaces only what stands behind the last "=".
  if [[ $current == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${current%=*}="}")
  fi
}
complete -F _sockctl sockctl
)";

constexpr char kZsh[] = R"(#compdef sockctl
# zsh completion for sockctl; load it with: source <(sockctl completion zsh)
_sockctl() {
  local -a found
  found=("${(@f)$("${words[1]}" complete -- "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  found=(${found:#})
  compadd -Q -a found
}
if [[ ${funcstack[1]} == _sockctl ]]; then
  _sockctl "$@"
else
  compdef _sockctl sockctl
fi
)";

constexpr char kFish[] =
    R"(# fish completion for sockctl; load it with: sockctl completion fish | source
function __sockctl_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    $program complete -- $words "$current" 2>/dev/null
end
complete -c sockctl -f -a '(__sockctl_complete)'
)";

}  // namespace

std::string CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  return shell == "zsh" ? kZsh : kFish;
}

void DeclareCompletion(CLI::App& app, Arguments& arguments) {
  app.add_option("SHELL", arguments.names, "bash, zsh or fish")
      ->required()
      ->expected(1)
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("");
}

absl::Status RunCompletion(const Arguments& arguments, AdminConnection&, Output& output) {
  return output.Write(CompletionScript(arguments.names.front()));
}

}  // namespace sockhost::client
