#include "client/socket_verbs.h"

#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/error_text.h"
#include "client/list_flags.h"
#include "client/resource_name.h"
#include "client/resource_output.h"
#include "client/switch_flag.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {

using Stub = v1::AdminService::Stub;

namespace {

// Adds --view, which goes through `set` into a request.
void AddView(CLI::App& app, const std::function<void(v1::SocketView)>& set) {
  const std::map<std::string, v1::SocketView> views{{"basic", v1::SOCKET_VIEW_BASIC},
                                                    {"full", v1::SOCKET_VIEW_FULL}};
  app.add_option_function<std::string>(
         "--view", [views, set](const std::string& view) { set(views.at(view)); },
         "basic; full: also TCP_INFO, queues, memory and options, which json and get show")
      ->check(CLI::IsMember({"basic", "full"}))
      ->type_name("VIEW");
}

absl::Status PrintClosed(const v1::Socket& socket, const Arguments& arguments, Output& output) {
  if (arguments.output != OutputFormat::kTable) return PrintRow(socket, arguments, output);
  return output.Write(absl::StrCat("socket ", BareId(kSockets, socket.name()), " closed\n"));
}

absl::Status Close(const std::string& name, const Arguments& arguments, AdminConnection& connection,
                   Output& output) {
  v1::CloseSocketRequest request;
  request.set_name(FullName(kSockets, name));
  const auto socket = connection.Call(&Stub::CloseSocket, request);
  if (!socket.ok()) {
    return WithContext(absl::StrCat("cannot close socket \"", name, "\""), socket.status());
  }
  return PrintClosed(*socket, arguments, output);
}

}  // namespace

void DeclareSocketList(CLI::App& app, Arguments& arguments) {
  v1::ListSocketsRequest& request = arguments.list_sockets;
  AddListFlags(app, request, "sockets", kSocketFilter, "counters.receive_bytes desc, name");
  AddView(app, [&request](v1::SocketView view) { request.set_view(view); });
  AddSwitch(app, "--closed", "Show the last closed sockets too, with the reason",
            [&request](bool on) { request.set_show_closed(on); });
}

absl::Status RunSocketList(const Arguments& arguments, AdminConnection& connection,
                           Output& output) {
  const auto all = connection.CallAllPages(&Stub::ListSockets, arguments.list_sockets);
  if (!all.ok()) return WithContext("cannot list sockets", all.status());
  return PrintList(*all, all->sockets(), arguments, output);
}

void DeclareSocketGet(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Socket, e.g. 12 or sockets/12; also one that was closed lately");
  AddView(app, [&arguments](v1::SocketView view) { arguments.get_socket.set_view(view); });
}

absl::Status RunSocketGet(const Arguments& arguments, AdminConnection& connection, Output& output) {
  v1::GetSocketRequest request = arguments.get_socket;
  request.set_name(FullName(kSockets, arguments.names[0]));
  const auto socket = connection.Call(&Stub::GetSocket, request);
  if (!socket.ok()) {
    return WithContext(absl::StrCat("cannot get socket \"", arguments.names[0], "\""),
                       socket.status());
  }
  return PrintSheet(*socket, arguments, output);
}

void DeclareSocketClose(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Connections, e.g. 12 or sockets/12")->expected(1, -1);
}

absl::Status RunSocketClose(const Arguments& arguments, AdminConnection& connection,
                            Output& output) {
  absl::Status last_failure;
  for (const std::string& name : arguments.names) {
    const absl::Status status = Close(name, arguments, connection, output);
    if (status.ok()) continue;
    if (!last_failure.ok()) std::cerr << ErrorText(last_failure);
    last_failure = status;
  }
  return last_failure;
}

}  // namespace sockhost::client
