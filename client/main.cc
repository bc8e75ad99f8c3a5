// sockctl: parse, run one verb, report.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/admin_connection.h"
#include "client/command_line.h"
#include "client/completion_script.h"
#include "client/completion_words.h"
#include "client/error_text.h"
#include "client/help_text.h"
#include "client/output.h"
#include "client/rpc_error.h"
#include "client/tls_files.h"

namespace sockhost::client {
namespace {

int Run(int argc, char** argv) {
  // A reader that goes away is an error of Output::Write, not a death by signal.
  signal(SIGPIPE, SIG_IGN);
  // Standard error belongs to our own messages; who debugs gRPC sets it again.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  CommandLine command_line;
  const CommandLine::Result parsed = command_line.Parse(argc, argv);
  if (parsed.verb == nullptr) {
    (parsed.exit_code == 0 ? std::cout : std::cerr) << parsed.text << std::flush;
    return parsed.exit_code;
  }
  const Arguments& arguments = command_line.arguments();
  const auto credentials = CredentialsFor(arguments.host, arguments.tls);
  // Help and completion come without a daemon, and so without certificates.
  const bool needs_daemon = parsed.verb->run != RunHelp && parsed.verb->run != RunCompletion &&
                            parsed.verb->run != RunComplete;
  if (!credentials.ok() && needs_daemon) {
    std::cerr << ErrorText(credentials.status());
    return ExitCode(credentials.status());
  }
  AdminConnection connection(arguments.host, arguments.timeout,
                             credentials.ok() ? *credentials : grpc::InsecureChannelCredentials(),
                             arguments.tls.server_name);
  Output output(STDOUT_FILENO);
  const absl::Status status = parsed.verb->run(arguments, connection, output);
  const int exit_code = ExitCode(status);
  if (exit_code != 0) std::cerr << ErrorText(status, parsed.verb->path);
  return exit_code;
}

}  // namespace
}  // namespace sockhost::client

int main(int argc, char** argv) {
  using sockhost::client::ErrorText;
  using sockhost::client::ExitCode;
  absl::Status status;
  try {
    return sockhost::client::Run(argc, argv);
  } catch (const std::exception& error) {
    // The libraries below may throw, std::bad_alloc for one.
    status = absl::InternalError(absl::StrCat("this should not happen: ", error.what()));
  }
  std::cerr << ErrorText(status);
  return ExitCode(status);
}
