#include "client/listener_verbs.h"

#include <algorithm>
#include <iostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/duration_flag.h"
#include "client/error_text.h"
#include "client/list_flags.h"
#include "client/listener_flags.h"
#include "client/resource_name.h"
#include "client/resource_output.h"
#include "client/switch_flag.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

using Stub = v1::AdminService::Stub;

constexpr absl::string_view kKeepalive = "tcp_keepalive";

std::string Quoted(absl::string_view what, absl::string_view name) {
  return absl::StrCat(what, " \"", name, "\"");
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
  const absl::string_view what = request.validate_only()   ? " can be deleted\n"
                                 : request.allow_missing() ? " is gone\n"
                                                           : " deleted\n";
  return output.Write(absl::StrCat(Quoted("listener", BareId(kListeners, request.name())), what));
}

template <class Request>
void AddRequestId(CLI::App& app, Request& request) {
  app.add_option_function<std::string>(
         "--request-id", [&request](const std::string& id) { request.set_request_id(id); },
         "Makes a repeated call safe: it gets the answer of the first one")
      ->type_name("ID");
}

// The quotes belong to the etag; a shell takes them away.
std::string WithQuotes(const std::string& etag) {
  return absl::StrContains(etag, '"') ? etag : absl::StrCat("\"", etag, "\"");
}

template <class Request>
void AddEtag(CLI::App& app, Request& request) {
  app.add_option_function<std::string>(
         "--etag", [&request](const std::string& etag) { request.set_etag(WithQuotes(etag)); },
         "Only if it still has this etag")
      ->type_name("ETAG");
}

// What a call with --validate-only would have made, so that nobody takes it for made.
absl::Status PrintUnlessKept(const v1::Listener& listener, bool validate_only,
                             const Arguments& arguments, Output& output) {
  const absl::Status printed = PrintRow(listener, arguments, output);
  if (!printed.ok() || !validate_only || arguments.output != OutputFormat::kTable) return printed;
  return output.Write("all of it can be done; nothing was kept\n");
}

// Who was overtaken by another update reads anew, but not for ever.
constexpr int kUpdateAttempts = 5;

// Whether `request` switches probes on. That must not reset how they are made, for
// which there is no mask: a path that ends at a message replaces all of it.
bool SwitchesProbesOn(const v1::UpdateListenerRequest& request) {
  const auto& paths = request.update_mask().paths();
  return request.listener().has_tcp_keepalive() &&
         std::find(paths.begin(), paths.end(), kKeepalive) != paths.end();
}

bool NamesKindOfProbes(const v1::UpdateListenerRequest& request) {
  const auto& paths = request.update_mask().paths();
  return std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return absl::StartsWith(path, absl::StrCat(kKeepalive, "."));
  });
}

// Reads how probes are made now, for an update that leaves it so.
absl::Status KeepKindOfProbes(const AdminConnection& connection,
                              v1::UpdateListenerRequest& request) {
  v1::Listener& wanted = *request.mutable_listener();
  v1::GetListenerRequest get;
  get.set_name(wanted.name());
  const auto now = connection.Call(&Stub::GetListener, get);
  if (!now.ok()) return now.status();
  if (now->has_tcp_keepalive()) *wanted.mutable_tcp_keepalive() = now->tcp_keepalive();
  if (wanted.etag().empty()) wanted.set_etag(now->etag());
  return absl::OkStatus();
}

absl::StatusOr<v1::Listener> Update(const v1::UpdateListenerRequest& wanted,
                                    const AdminConnection& connection) {
  if (!SwitchesProbesOn(wanted)) return connection.Call(&Stub::UpdateListener, wanted);
  v1::UpdateListenerRequest request = wanted;
  if (NamesKindOfProbes(wanted)) {  // which switches them on, too
    auto& paths = *request.mutable_update_mask()->mutable_paths();
    paths.erase(std::remove(paths.begin(), paths.end(), kKeepalive), paths.end());
    return connection.Call(&Stub::UpdateListener, request);
  }
  absl::StatusOr<v1::Listener> updated;
  for (int i = 0; i < kUpdateAttempts; ++i) {
    request = wanted;
    if (absl::Status read = KeepKindOfProbes(connection, request); !read.ok()) return read;
    updated = connection.Call(&Stub::UpdateListener, request);
    // Changed between the two calls.
    if (!absl::IsAborted(updated.status()) || !wanted.listener().etag().empty()) break;
  }
  return updated;
}

// A verb that does one thing to one listener and shows it.
template <class Request, class Method>
absl::Status Change(const Arguments& arguments, const char* verb, Request request, Method method,
                    AdminConnection& connection, Output& output) {
  const std::string& name = arguments.names[0];
  request.set_name(FullName(kListeners, name));
  const auto listener = connection.Call(method, request);
  if (!listener.ok()) {
    return WithContext(Quoted(absl::StrCat("cannot ", verb, " listener"), name), listener.status());
  }
  return PrintRow(*listener, arguments, output);
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
  AddListenerFlags(app, listener, [](const char*) {});
  app.get_option("--address")->required();
  AddSwitch(app, "--validate-only", "Try everything, keep nothing",
            [&request](bool on) { request.set_validate_only(on); });
  AddRequestId(app, request);
}

absl::Status RunListenerCreate(const Arguments& arguments, AdminConnection& connection,
                               Output& output) {
  v1::CreateListenerRequest request = arguments.create_listener;
  request.set_listener_id(BareId(kListeners, arguments.names[0]));
  const auto listener = connection.Call(&Stub::CreateListener, request);
  if (!listener.ok()) {
    return WithContext(Quoted("cannot create listener", arguments.names[0]), listener.status());
  }
  return PrintUnlessKept(*listener, request.validate_only(), arguments, output);
}

void DeclareListenerList(CLI::App& app, Arguments& arguments) {
  AddListFlags(app, arguments.list_listeners, "listeners", kListenerFilter,
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
  if (absl::Status status = PrintSheet(*listener, arguments, output); !status.ok()) return status;
  if (arguments.output != OutputFormat::kTable || listener->upstreams().empty()) {
    return absl::OkStatus();
  }
  return output.Write(
      absl::StrCat("\n", TableOf(listener->upstreams(), absl::Now()).Text(arguments.no_headers)));
}

void DeclareListenerDelete(CLI::App& app, Arguments& arguments) {
  v1::DeleteListenerRequest& request = arguments.delete_listener;
  AddName(app, arguments, "Listeners, e.g. web or listeners/web")->expected(1, -1);
  AddSwitch(app, "--force", "Close live connections too",
            [&request](bool on) { request.set_force(on); });
  AddSwitch(app, "--allow-missing", "No error if there is no such listener",
            [&request](bool on) { request.set_allow_missing(on); });
  AddSwitch(app, "--validate-only", "Tell whether they would be deleted",
            [&request](bool on) { request.set_validate_only(on); });
  AddEtag(app, request);
}

void DeclareListenerUpdate(CLI::App& app, Arguments& arguments) {
  v1::UpdateListenerRequest& request = arguments.update_listener;
  AddName(app, arguments, "Listener, e.g. web or listeners/web");
  AddListenerFlags(app, *request.mutable_listener(), [&request](const char* field) {
    google::protobuf::FieldMask& mask = *request.mutable_update_mask();
    // A flag can be given several times.
    for (const std::string& path : mask.paths()) {
      if (path == field) return;
    }
    mask.add_paths(field);
  });
  AddEtag(app, *request.mutable_listener());
  AddSwitch(app, "--validate-only", "Try everything, keep nothing",
            [&request](bool on) { request.set_validate_only(on); });
  AddRequestId(app, request);
}

absl::Status RunListenerUpdate(const Arguments& arguments, AdminConnection& connection,
                               Output& output) {
  v1::UpdateListenerRequest request = arguments.update_listener;
  const std::string& name = arguments.names[0];
  request.mutable_listener()->set_name(FullName(kListeners, name));
  const auto listener = Update(request, connection);
  if (!listener.ok()) {
    return WithContext(Quoted("cannot update listener", name), listener.status());
  }
  return PrintUnlessKept(*listener, request.validate_only(), arguments, output);
}

void DeclareListenerPause(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Listener, e.g. web or listeners/web");
  AddEtag(app, arguments.pause_listener);
}

absl::Status RunListenerPause(const Arguments& arguments, AdminConnection& connection,
                              Output& output) {
  return Change(arguments, "pause", arguments.pause_listener, &Stub::PauseListener, connection,
                output);
}

void DeclareListenerResume(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Listener, e.g. web or listeners/web");
  AddEtag(app, arguments.resume_listener);
}

absl::Status RunListenerResume(const Arguments& arguments, AdminConnection& connection,
                               Output& output) {
  return Change(arguments, "resume", arguments.resume_listener, &Stub::ResumeListener, connection,
                output);
}

void DeclareListenerDrain(CLI::App& app, Arguments& arguments) {
  v1::DrainListenerRequest& request = arguments.drain_listener;
  AddName(app, arguments, "Listener, e.g. web or listeners/web");
  AddDurationFlag(
      app, "--drain-timeout", "How long connections may go on; without it the listener's own",
      [&request](absl::Duration d) { SetDuration(d, *request.mutable_drain_timeout()); },
      LeastDuration::kZero);
  AddEtag(app, request);
}

absl::Status RunListenerDrain(const Arguments& arguments, AdminConnection& connection,
                              Output& output) {
  return Change(arguments, "drain", arguments.drain_listener, &Stub::DrainListener, connection,
                output);
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
