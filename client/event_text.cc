#include "client/event_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "client/display_text.h"
#include "client/resource_name.h"
#include "client/resource_tables.h"

namespace sockhost::client {
namespace {

void AddPair(absl::string_view key, absl::string_view value, std::string& line) {
  if (!value.empty()) absl::StrAppend(&line, "  ", key, "=", Printable(value));
}

void AddSocket(const v1::Socket& socket, bool closed, std::string& line) {
  AddPair("listener", BareId(kListeners, socket.listener()), line);
  AddPair("service", BareId(kServices, socket.service()), line);
  AddPair("role", EnumText(socket.role(), v1::Socket::Role_Name), line);
  AddPair("remote", socket.remote_address(), line);
  if (!closed) return;
  AddPair("reason", EnumText(socket.close_reason(), v1::Socket::CloseReason_Name), line);
  AddPair("events", absl::StrCat(socket.counters().handler_calls()), line);
  AddPair("rx-bytes", absl::StrCat(socket.counters().receive_bytes()), line);
  AddPair("tx-bytes", absl::StrCat(socket.counters().transmit_bytes()), line);
}

void AddListener(const v1::Listener& listener, std::string& line) {
  AddPair("service", BareId(kServices, listener.service()), line);
  AddPair("address", listener.effective_address(), line);
  AddPair("state", EnumText(listener.state(), v1::Listener::State_Name), line);
  AddPair("state-reason", listener.state_reason(), line);
}

}  // namespace

const std::string& SubjectOf(const v1::Event& event) {
  if (event.has_socket()) return event.socket().name();
  if (event.has_listener()) return event.listener().name();
  return event.service();
}

std::string EventLine(const v1::Event& event, absl::TimeZone time_zone) {
  // The longest kind and a usual name: lines stand below one another.
  std::string line = absl::StrFormat(
      "%s  %-22s  %-14s", absl::FormatTime("%Y-%m-%d %H:%M:%E3S", TimeOf(event.time()), time_zone),
      EnumText(event.kind(), v1::Event::Kind_Name), Printable(SubjectOf(event)));
  if (event.has_socket()) {
    AddSocket(event.socket(), event.kind() == v1::Event::SOCKET_CLOSED, line);
  }
  if (event.has_listener()) AddListener(event.listener(), line);
  const size_t end = line.find_last_not_of(' ');
  line.resize(end + 1);
  return line + "\n";
}

}  // namespace sockhost::client
