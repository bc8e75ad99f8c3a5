// sockctl host | health | version: the daemon itself.
#ifndef SOCKHOST_CLIENT_HOST_VERBS_H_
#define SOCKHOST_CLIENT_HOST_VERBS_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

absl::Status RunHost(const Arguments& arguments, AdminConnection& connection, Output& output);

// Prints SERVING or NOT_SERVING. An error unless it is SERVING.
void DeclareHealth(CLI::App& app, Arguments& arguments);
absl::Status RunHealth(const Arguments& arguments, AdminConnection& connection, Output& output);

// Prints the versions of sockctl and of the daemon; a daemon that cannot be
// reached is no error.
absl::Status RunVersion(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_HOST_VERBS_H_
