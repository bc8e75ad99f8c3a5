// sockctl events
#ifndef SOCKHOST_CLIENT_EVENT_VERB_H_
#define SOCKHOST_CLIENT_EVENT_VERB_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

void DeclareEvents(CLI::App& app, Arguments& arguments);

// Shows events until there were enough, until SIGINT, SIGTERM or SIGHUP, or until
// the reader of the output has gone: all of them are success. Errors: no first
// message within the timeout (DEADLINE_EXCEEDED), what the daemon says of the
// token, the stream broke.
absl::Status RunEvents(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_EVENT_VERB_H_
