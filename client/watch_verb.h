// sockctl watch
#ifndef SOCKHOST_CLIENT_WATCH_VERB_H_
#define SOCKHOST_CLIENT_WATCH_VERB_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

void DeclareWatch(CLI::App& app, Arguments& arguments);

// Shows samples until there were enough, until SIGINT, SIGTERM or SIGHUP, or until
// the reader of the output has gone: all of them are success. Errors: no first
// message within the timeout (DEADLINE_EXCEEDED), the stream broke, the daemon
// was restarted.
absl::Status RunWatch(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_WATCH_VERB_H_
