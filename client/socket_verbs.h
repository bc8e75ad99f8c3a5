// sockctl socket list | get
#ifndef SOCKHOST_CLIENT_SOCKET_VERBS_H_
#define SOCKHOST_CLIENT_SOCKET_VERBS_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

void DeclareSocketList(CLI::App& app, Arguments& arguments);
absl::Status RunSocketList(const Arguments& arguments, AdminConnection& connection, Output& output);

void DeclareSocketGet(CLI::App& app, Arguments& arguments);
absl::Status RunSocketGet(const Arguments& arguments, AdminConnection& connection, Output& output);

void DeclareSocketClose(CLI::App& app, Arguments& arguments);
absl::Status RunSocketClose(const Arguments& arguments, AdminConnection& connection,
                            Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_SOCKET_VERBS_H_
