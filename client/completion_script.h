// Completion of sockctl command lines in bash.
#ifndef SOCKHOST_CLIENT_COMPLETION_SCRIPT_H_
#define SOCKHOST_CLIENT_COMPLETION_SCRIPT_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/command_line.h"
#include "client/output.h"

namespace sockhost::client {

// A script for bash: completes verbs, flags, and for `NOUN get` and `NOUN
// delete` the names that `sockctl NOUN list` prints at that moment.
std::string BashCompletion(const CommandLine& command_line);

// sockctl completion bash
void DeclareCompletion(CLI::App& app, Arguments& arguments);
absl::Status RunCompletion(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_COMPLETION_SCRIPT_H_
