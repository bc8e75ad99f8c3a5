// Help, written from the verb table and the flags that verbs declare.
#ifndef SOCKHOST_CLIENT_HELP_TEXT_H_
#define SOCKHOST_CLIENT_HELP_TEXT_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/command_line.h"
#include "client/output.h"

namespace sockhost::client {

// Help of a verb, of a group, or of everything (path ""). `path` must exist.
std::string HelpText(const CommandLine& command_line, absl::string_view path);

// sockctl help [VERB...]: the same as --help.
void DeclareHelp(CLI::App& app, Arguments& arguments);
absl::Status RunHelp(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_HELP_TEXT_H_
