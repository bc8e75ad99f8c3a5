// Completion of sockctl command lines in bash, zsh and fish.
#ifndef SOCKHOST_CLIENT_COMPLETION_SCRIPT_H_
#define SOCKHOST_CLIENT_COMPLETION_SCRIPT_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

// A script for `shell`: "bash", "zsh" or "fish". What it offers comes from `sockctl complete`.
std::string CompletionScript(const std::string& shell);

// sockctl completion SHELL
void DeclareCompletion(CLI::App& app, Arguments& arguments);
absl::Status RunCompletion(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_COMPLETION_SCRIPT_H_
