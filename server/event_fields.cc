// The fields of events.
#include <memory>

#include "absl/strings/str_cat.h"
#include "close_reason_words.h"
#include "resource_fields.h"
#include "sockhost/host_event.h"

namespace sockhost {
namespace {

// The names of event.proto and socket.proto; a test compares them.
constexpr FieldWord kKinds[] = {
    WordOf("SOCKET_OPENED", HostEventKind::kSocketOpened),
    WordOf("SOCKET_CLOSED", HostEventKind::kSocketClosed),
    WordOf("LISTENER_CREATED", HostEventKind::kListenerCreated),
    WordOf("LISTENER_UPDATED", HostEventKind::kListenerUpdated),
    WordOf("LISTENER_STATE_CHANGED", HostEventKind::kListenerStateChanged),
    WordOf("LISTENER_DELETED", HostEventKind::kListenerDeleted),
    WordOf("SERVICE_STALLED", HostEventKind::kServiceStalled),
    WordOf("SERVICE_RECOVERED", HostEventKind::kServiceRecovered),
};

constexpr NumberField<HostEvent> kNumbers[] = {
    {"kind", [](const HostEvent& e) { return static_cast<int64_t>(e.kind); }, kKinds},
    {"close_reason", [](const HostEvent& e) { return static_cast<int64_t>(e.close_reason); },
     kCloseReasons},
    {"sequence", [](const HostEvent& e) { return e.sequence; }},
    {"time", [](const HostEvent& e) { return e.time_nanos; }, {}, /*is_time=*/true},
};

absl::string_view ReadSocket(const HostEvent& event, absl::string_view, std::string& storage) {
  if (event.socket.id != 0) storage = absl::StrCat(event.socket.id);
  return storage;
}

absl::string_view ReadService(const HostEvent& event, absl::string_view, std::string&) {
  return event.service ? absl::string_view(*event.service) : absl::string_view();
}

absl::string_view ReadListener(const HostEvent& event, absl::string_view, std::string&) {
  if (event.listener) return event.listener->config->name;
  return event.socket.listener ? absl::string_view(*event.socket.listener) : absl::string_view();
}

absl::string_view ReadRemote(const HostEvent& event, absl::string_view, std::string& storage) {
  storage = event.socket.remote.ToString();
  return storage;
}

const SocketAddress& RemoteOf(const HostEvent& event) { return event.socket.remote; }

constexpr TextField<HostEvent> kTexts[] = {
    {"socket", ReadSocket, "sockets/", nullptr, [](const HostEvent& e) { return e.socket.id; }},
    {"service", ReadService, "services/"},
    {"listener", ReadListener, "listeners/"},
    {"remote_address", ReadRemote, "", RemoteOf},
};

}  // namespace

template <>
const ResourceFields<HostEvent>& FieldsOf<HostEvent>() {
  static constexpr ResourceFields<HostEvent> kFields{kNumbers, kTexts};
  return kFields;
}

}  // namespace sockhost
