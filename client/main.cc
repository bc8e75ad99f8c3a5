// sockctl: parse, run one verb, report.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "client/admin_connection.h"
#include "client/command_line.h"
#include "client/completion_script.h"
#include "client/error_text.h"
#include "client/help_text.h"
#include "client/output.h"
#include "client/rpc_error.h"
#include "client/tls_files.h"

int main(int argc, char** argv) {
  using namespace sockhost::client;  // NOLINT: nothing but the client is used here
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
  // Help and completion scripts come without a daemon, and so without certificates.
  if (!credentials.ok() && parsed.verb->run != RunHelp && parsed.verb->run != RunCompletion) {
    std::cerr << ErrorText(credentials.status());
    return ExitCode(credentials.status());
  }
  AdminConnection connection(arguments.host, arguments.timeout,
                             credentials.ok() ? *credentials : grpc::InsecureChannelCredentials(),
                             arguments.tls.server_name);
  Output output(STDOUT_FILENO);
  const absl::Status status = parsed.verb->run(arguments, connection, output);
  const int exit_code = ExitCode(status);
  if (exit_code != 0) std::cerr << ErrorText(status);
  return exit_code;
}
