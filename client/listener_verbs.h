// sockctl listener create | list | get | update | pause | resume | drain | delete
#ifndef SOCKHOST_CLIENT_LISTENER_VERBS_H_
#define SOCKHOST_CLIENT_LISTENER_VERBS_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

void DeclareListenerCreate(CLI::App& app, Arguments& arguments);
absl::Status RunListenerCreate(const Arguments& arguments, AdminConnection& connection,
                               Output& output);

void DeclareListenerList(CLI::App& app, Arguments& arguments);
absl::Status RunListenerList(const Arguments& arguments, AdminConnection& connection,
                             Output& output);

void DeclareListenerGet(CLI::App& app, Arguments& arguments);
absl::Status RunListenerGet(const Arguments& arguments, AdminConnection& connection,
                            Output& output);

// Sends the fields that flags were given for.
void DeclareListenerUpdate(CLI::App& app, Arguments& arguments);
absl::Status RunListenerUpdate(const Arguments& arguments, AdminConnection& connection,
                               Output& output);

void DeclareListenerPause(CLI::App& app, Arguments& arguments);
absl::Status RunListenerPause(const Arguments& arguments, AdminConnection& connection,
                              Output& output);

void DeclareListenerResume(CLI::App& app, Arguments& arguments);
absl::Status RunListenerResume(const Arguments& arguments, AdminConnection& connection,
                               Output& output);

void DeclareListenerDrain(CLI::App& app, Arguments& arguments);
absl::Status RunListenerDrain(const Arguments& arguments, AdminConnection& connection,
                              Output& output);

// Deletes all the names it is given, also after a failure; each failure is
// printed to standard error, the last one is returned.
void DeclareListenerDelete(CLI::App& app, Arguments& arguments);
absl::Status RunListenerDelete(const Arguments& arguments, AdminConnection& connection,
                               Output& output);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_LISTENER_VERBS_H_
