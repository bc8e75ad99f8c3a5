#include "client/listener_verbs.h"

#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/error_text.h"
#include "client/forward_flags.h"
#include "client/list_flags.h"
#include "client/resource_name.h"
#include "client/resource_output.h"
#include "client/responder_flags.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

using Stub = v1::AdminService::Stub;

std::string Quoted(absl::string_view what, absl::string_view name) {
  return absl::StrCat(what, " \"", name, "\"");
}

void AddLabel(const std::string& pair, v1::Listener& listener) {
  const std::pair<std::string, std::string> label = absl::StrSplit(pair, absl::MaxSplits('=', 1));
  if (pair.find('=') == std::string::npos || label.first.empty()) {
    throw CLI::ValidationError("--label", absl::StrCat("\"", pair, "\" is no KEY=VALUE pair"));
  }
  if (!listener.mutable_labels()->insert({label.first, label.second}).second) {
    throw CLI::ValidationError("--label", absl::StrCat("\"", label.first, "\" is given twice"));
  }
}

absl::Status PrintDeleted(const Arguments& arguments, const v1::DeleteListenerRequest& request,
                          Output& output) {
  switch (arguments.output) {
    case OutputFormat::kJson:
      return output.Write("{}\n");  // google.protobuf.Empty
    case OutputFormat::kName:
      return output.Write(absl::StrCat(request.name(), "\n"));
    case OutputFormat::kTable:
      break;
  }
  // With allow_missing the answer does not tell whether there was one.
  return output.Write(absl::StrCat(Quoted("listener", BareId(kListeners, request.name())),
                                   request.allow_missing() ? " is gone\n" : " deleted\n"));
}

absl::Status Delete(const Arguments& arguments, absl::string_view name,
                    const AdminConnection& connection, Output& output) {
  v1::DeleteListenerRequest request = arguments.delete_listener;
  request.set_name(FullName(kListeners, name));
  const auto deleted = connection.Call(&Stub::DeleteListener, request);
  if (!deleted.ok()) return WithContext(Quoted("cannot delete listener", name), deleted.status());
  return PrintDeleted(arguments, request, output);
}

}  // namespace

void DeclareListenerCreate(CLI::App& app, Arguments& arguments) {
  v1::CreateListenerRequest& request = arguments.create_listener;
  v1::Listener& listener = *request.mutable_listener();
  AddName(app, arguments, "Id of the new listener, e.g. web");
  app.add_option_function<std::string>(
         "--service", [&listener](const std::string& s) { listener.set_service(s); },
         "Service that handles it, e.g. echo")
      ->required()
      ->type_name("SERVICE");
  app.add_option_function<std::string>(
         "--address", [&listener](const std::string& a) { listener.set_address(a); },
         "Where to listen: tcp://HOST:PORT or udp://HOST:PORT; port 0: the kernel chooses")
      ->required()
      ->type_name("ADDRESS");
  app.add_option_function<std::vector<std::string>>(
         "--label",
         [&listener](const std::vector<std::string>& labels) {
           for (const std::string& label : labels) AddLabel(label, listener);
         },
         "Label; can be given several times")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "--display-name", [&listener](const std::string& n) { listener.set_display_name(n); },
         "Name for people")
      ->type_name("TEXT");
  app.add_option_function<int32_t>(
         "--backlog", [&listener](const int32_t& n) { listener.set_backlog(n); },
         "Queue of connections not yet accepted; 0: 4096")
      ->type_name("N");
  app.add_option_function<int32_t>(
         "--max-connections", [&listener](const int32_t& n) { listener.set_max_connections(n); },
         "Connections open at the same time; 0: no limit of its own")
      ->type_name("N");
  app.add_flag_callback(
      "--ipv6-only", [&listener] { listener.set_ipv6_only(true); },
      "An IPv6 address takes no IPv4 traffic");
  AddForwardFlags(app, listener);
  AddResponderFlags(app, listener);
}

absl::Status RunListenerCreate(const Arguments& arguments, AdminConnection& connection,
                               Output& output) {
  v1::CreateListenerRequest request = arguments.create_listener;
  request.set_listener_id(BareId(kListeners, arguments.names[0]));
  const auto listener = connection.Call(&Stub::CreateListener, request);
  if (!listener.ok()) {
    return WithContext(Quoted("cannot create listener", arguments.names[0]), listener.status());
  }
  return PrintRow(*listener, arguments, output);
}

void DeclareListenerList(CLI::App& app, Arguments& arguments) {
  AddListFlags(app, arguments.list_listeners, "listeners", "service = echo AND labels.env = prod",
               "counters.active_connections desc");
}

absl::Status RunListenerList(const Arguments& arguments, AdminConnection& connection,
                             Output& output) {
  const auto all = connection.CallAllPages(&Stub::ListListeners, arguments.list_listeners);
  if (!all.ok()) return WithContext("cannot list listeners", all.status());
  return PrintList(*all, all->listeners(), arguments, output);
}

void DeclareListenerGet(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Listener, e.g. web or listeners/web");
}

absl::Status RunListenerGet(const Arguments& arguments, AdminConnection& connection,
                            Output& output) {
  v1::GetListenerRequest request;
  request.set_name(FullName(kListeners, arguments.names[0]));
  const auto listener = connection.Call(&Stub::GetListener, request);
  if (!listener.ok()) {
    return WithContext(Quoted("cannot get listener", arguments.names[0]), listener.status());
  }
  return PrintSheet(*listener, arguments, output);
}

void DeclareListenerDelete(CLI::App& app, Arguments& arguments) {
  v1::DeleteListenerRequest& request = arguments.delete_listener;
  AddName(app, arguments, "Listeners, e.g. web or listeners/web")->expected(1, -1);
  app.add_flag_callback(
      "--force", [&request] { request.set_force(true); }, "Close live connections too");
  app.add_flag_callback(
      "--allow-missing", [&request] { request.set_allow_missing(true); },
      "No error if there is no such listener");
  app.add_option_function<std::string>(
         "--etag", [&request](const std::string& etag) { request.set_etag(etag); },
         "Only if it still has this etag")
      ->type_name("ETAG");
}

absl::Status RunListenerDelete(const Arguments& arguments, AdminConnection& connection,
                               Output& output) {
  absl::Status last_failure;
  for (const std::string& name : arguments.names) {
    const absl::Status status = Delete(arguments, name, connection, output);
    if (status.ok()) continue;
    if (!last_failure.ok()) std::cerr << ErrorText(last_failure);
    last_failure = status;
  }
  return last_failure;
}

}  // namespace sockhost::client
