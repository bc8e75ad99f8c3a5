#include "client/socket_verbs.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/resource_name.h"
#include "client/resource_output.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {

using Stub = v1::AdminService::Stub;

void DeclareSocketList(CLI::App& app, Arguments& arguments) {
  app.add_option_function<std::string>(
         "--filter", [&arguments](const std::string& f) { arguments.list_sockets.set_filter(f); },
         "Which sockets, e.g. 'role = CONNECTION AND listener = web'")
      ->type_name("EXPR");
}

absl::Status RunSocketList(const Arguments& arguments, AdminConnection& connection,
                           Output& output) {
  const auto all = connection.CallAllPages(&Stub::ListSockets, arguments.list_sockets);
  if (!all.ok()) return WithContext("cannot list sockets", all.status());
  return PrintList(*all, all->sockets(), arguments, output);
}

void DeclareSocketGet(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Socket, e.g. 12 or sockets/12");
}

absl::Status RunSocketGet(const Arguments& arguments, AdminConnection& connection, Output& output) {
  v1::GetSocketRequest request;
  request.set_name(FullName(kSockets, arguments.names[0]));
  const auto socket = connection.Call(&Stub::GetSocket, request);
  if (!socket.ok()) {
    return WithContext(absl::StrCat("cannot get socket \"", arguments.names[0], "\""),
                       socket.status());
  }
  return PrintSheet(*socket, arguments, output);
}

}  // namespace sockhost::client
