// The fields of sockets.
#include <memory>

#include "absl/strings/str_cat.h"
#include "close_reason_words.h"
#include "resource_fields.h"

namespace sockhost {
namespace {

// The names of socket.proto; a test compares them.
constexpr FieldWord kRoles[] = {
    WordOf("LISTENING", Role::kListening), WordOf("CONNECTION", Role::kConnection),
    WordOf("DATAGRAM", Role::kDatagram),   WordOf("REGISTERED", Role::kRegistered),
    WordOf("UPSTREAM", Role::kUpstream),
};
// The numbers are those of the contract, see ReadState.
constexpr FieldWord kStates[] = {{"OPEN", 1}, {"CLOSED", 2}};
constexpr FieldWord kProtocols[] = {
    WordOf("PROTOCOL_UNSPECIFIED", Protocol::kNone),
    WordOf("TCP", Protocol::kTcp),
    WordOf("UDP", Protocol::kUdp),
    WordOf("UNIX_STREAM", Protocol::kUnixStream),
    WordOf("UNIX_DATAGRAM", Protocol::kUnixDatagram),
};
constexpr FieldWord kFamilies[] = {
    WordOf("FAMILY_UNSPECIFIED", AddressFamily::kNone),
    WordOf("IPV4", AddressFamily::kIpv4),
    WordOf("IPV6", AddressFamily::kIpv6),
    WordOf("UNIX", AddressFamily::kUnix),
};

int64_t ReadState(const SocketSnapshot& socket) {
  return socket.close_reason == CloseReason::kNone ? 1 : 2;
}

constexpr NumberField<SocketSnapshot> kNumbers[] = {
    {"fd", [](const SocketSnapshot& s) { return int64_t{s.fd}; }},
    {"role", [](const SocketSnapshot& s) { return static_cast<int64_t>(s.role); }, kRoles},
    {"protocol", [](const SocketSnapshot& s) { return static_cast<int64_t>(s.protocol); },
     kProtocols},
    {"family", [](const SocketSnapshot& s) { return static_cast<int64_t>(s.family()); }, kFamilies},
    {"masked", [](const SocketSnapshot& s) { return int64_t{s.masked}; }, kBooleanWords},
    {"draining", [](const SocketSnapshot& s) { return int64_t{s.draining}; }, kBooleanWords},
    {"state", ReadState, kStates},
    {"close_reason", [](const SocketSnapshot& s) { return static_cast<int64_t>(s.close_reason); },
     kCloseReasons},
    {"close_time",
     [](const SocketSnapshot& s) { return s.close_time_nanos; },
     {},
     /*is_time=*/true},
    {"create_time",
     [](const SocketSnapshot& s) { return s.create_time_nanos; },
     {},
     /*is_time=*/true},
#define SOCKHOST_X(counter, kind) SOCKHOST_COUNTER_FIELD(SocketSnapshot, counter, kind)
    SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

absl::string_view ReadName(const SocketSnapshot& socket, absl::string_view, std::string& storage) {
  // Takes no memory: an id of less than 16 digits fits into the string itself.
  storage = absl::StrCat(socket.id);
  return storage;
}

absl::string_view ReadText(const std::shared_ptr<const std::string>& text) {
  return text ? absl::string_view(*text) : absl::string_view();
}

absl::string_view ReadService(const SocketSnapshot& socket, absl::string_view, std::string&) {
  return ReadText(socket.service);
}

absl::string_view ReadListener(const SocketSnapshot& socket, absl::string_view, std::string&) {
  return ReadText(socket.listener);
}

template <SocketAddress SocketSnapshot::*address>
absl::string_view ReadAddress(const SocketSnapshot& socket, absl::string_view,
                              std::string& storage) {
  storage = (socket.*address).ToString();
  return storage;
}

template <SocketAddress SocketSnapshot::*address>
const SocketAddress& AddressOf(const SocketSnapshot& socket) {
  return socket.*address;
}

constexpr TextField<SocketSnapshot> kTexts[] = {
    {"name", ReadName, "sockets/", nullptr, [](const SocketSnapshot& s) { return s.id; }},
    {"service", ReadService, "services/"},
    {"listener", ReadListener, "listeners/"},
    {"local_address", ReadAddress<&SocketSnapshot::local>, "", AddressOf<&SocketSnapshot::local>},
    {"remote_address", ReadAddress<&SocketSnapshot::remote>, "",
     AddressOf<&SocketSnapshot::remote>},
};

}  // namespace

template <>
const ResourceFields<SocketSnapshot>& FieldsOf<SocketSnapshot>() {
  static constexpr ResourceFields<SocketSnapshot> kFields{kNumbers, kTexts};
  return kFields;
}

}  // namespace sockhost
