// What may follow on a command line of sockctl: what the shells' completion scripts ask for.
#ifndef SOCKHOST_CLIENT_COMPLETION_WORDS_H_
#define SOCKHOST_CLIENT_COMPLETION_WORDS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/command_line.h"
#include "client/output.h"

namespace sockhost::client {

struct Completion {
  // Verbs, flags, or the words that a flag takes.
  std::vector<std::string> words;
  // "listener", "socket" or "service": the ids of those that exist may follow, too. Empty: none.
  std::string names_of;
  // What stands before each in the word that is typed: "--output=".
  std::string prefix;
};

// `typed` are the words behind "sockctl"; the last one is being typed and may be empty. What
// stands in it does not narrow the choice.
Completion CompletionOf(const CommandLine& command_line, absl::Span<const std::string> typed);

// sockctl complete -- WORD...: prints each possibility for the last word on a line of its own.
// Global flags among the words hold. Names are left out if the daemon does not answer at once.
void DeclareComplete(CLI::App& app, Arguments& arguments);
absl::Status RunComplete(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_COMPLETION_WORDS_H_
