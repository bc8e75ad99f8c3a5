// sockctl service list | get
#ifndef SOCKHOST_CLIENT_SERVICE_VERBS_H_
#define SOCKHOST_CLIENT_SERVICE_VERBS_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

void DeclareServiceList(CLI::App& app, Arguments& arguments);
absl::Status RunServiceList(const Arguments& arguments, AdminConnection& connection,
                            Output& output);

void DeclareServiceGet(CLI::App& app, Arguments& arguments);
absl::Status RunServiceGet(const Arguments& arguments, AdminConnection& connection, Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_SERVICE_VERBS_H_
