// The command line: flags and verbs in, a verb to run or a text to print out.
#ifndef SOCKHOST_CLIENT_COMMAND_LINE_H_
#define SOCKHOST_CLIENT_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "client/arguments.h"
#include "client/verb_table.h"

namespace sockhost::client {

// Parses one command line. Holds what was typed; lives as long as that is used.
class CommandLine {
 public:
  struct Result {
    const Verb* verb = nullptr;  // null: print `text` and exit with `exit_code`
    std::string text;            // for standard output if exit_code is 0, else error
    int exit_code = 0;           // 0 for help and version, kExitUsage for errors
  };

  CommandLine();

  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // Call once.
  Result Parse(int argc, const char* const* argv);

  const Arguments& arguments() const { return arguments_; }

  // The command of a verb or group; the root for "". Must exist.
  const CLI::App& Command(absl::string_view path) const { return *commands_.at(std::string(path)); }

 private:
  void AddGlobalFlags();
  void AddVerb(const Verb& verb);
  std::string ParsedPath() const;
  Result UsageError(absl::string_view path, absl::string_view message) const;
  Result ExplainError(const CLI::ParseError& error) const;
  Result ExplainUnknownWord(absl::string_view path, const std::string& word) const;

  Arguments arguments_;
  CLI::App app_;
  std::map<std::string, CLI::App*> commands_;  // by path; "" is the root
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_COMMAND_LINE_H_
