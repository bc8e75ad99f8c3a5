// The fields of listeners.
#include "absl/time/time.h"
#include "listener_record.h"
#include "resource_fields.h"

namespace sockhost {
namespace {

using Item = ListenerSnapshot;

// The names of listener.proto; a test compares them.
constexpr FieldWord kStates[] = {
    WordOf("STARTING", ListenerState::kStarting), WordOf("ACTIVE", ListenerState::kActive),
    WordOf("PAUSED", ListenerState::kPaused),     WordOf("DRAINING", ListenerState::kDraining),
    WordOf("FAILED", ListenerState::kFailed),     WordOf("DISABLED", ListenerState::kDisabled),
};

const ListenerRecord& RecordOf(const Item& listener) {
  return static_cast<const ListenerRecord&>(*listener.config->attachment);
}

int64_t NumberOf(int64_t value) { return value; }
int64_t NumberOf(absl::Duration value) { return absl::ToInt64Nanoseconds(value); }

template <auto kField>
int64_t ReadConfig(const Item& listener) {
  return NumberOf((*listener.config).*kField);
}

template <auto kField>
int64_t ReadSocketOption(const Item& listener) {
  return NumberOf(listener.config->socket.*kField);
}

constexpr NumberField<Item> kNumbers[] = {
    {"state", [](const Item& s) { return static_cast<int64_t>(s.state); }, kStates},
    {"create_time",
     [](const Item& s) { return RecordOf(s).create_time_nanos; },
     {},
     /*is_time=*/true},
    {"update_time",
     [](const Item& s) { return RecordOf(s).update_time_nanos; },
     {},
     /*is_time=*/true},
    {"enabled", ReadConfig<&ListenerConfig::enabled>, kBooleanWords},
    {"ipv6_only", ReadSocketOption<&SocketOptions::ipv6_only>, kBooleanWords},
    {"reuse_port", ReadSocketOption<&SocketOptions::reuse_port>, kBooleanWords},
    {"backlog", ReadSocketOption<&SocketOptions::backlog>},
    {"max_connections", ReadConfig<&ListenerConfig::max_connections>},
    {"max_connections_per_source", ReadConfig<&ListenerConfig::max_connections_per_source>},
    {"max_accepts_per_event", ReadConfig<&ListenerConfig::max_accepts_per_event>},
    {"idle_timeout", ReadConfig<&ListenerConfig::idle_timeout>, {}, false, /*is_duration=*/true},
    {"max_lifetime", ReadConfig<&ListenerConfig::max_lifetime>, {}, false, /*is_duration=*/true},
    {"drain_timeout", ReadConfig<&ListenerConfig::drain_timeout>, {}, false, /*is_duration=*/true},
#define SOCKHOST_X(counter, kind) SOCKHOST_COUNTER_FIELD(Item, counter, kind)
    SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

absl::string_view ReadName(const Item& listener, absl::string_view, std::string&) {
  return listener.config->name;
}

absl::string_view ReadUid(const Item& listener, absl::string_view, std::string& storage) {
  storage = UuidText(RecordOf(listener).uid);
  return storage;
}

absl::string_view ReadDisplayName(const Item& listener, absl::string_view, std::string&) {
  return RecordOf(listener).display_name;
}

absl::string_view ReadService(const Item& listener, absl::string_view, std::string&) {
  return listener.config->service;
}

absl::string_view ReadAddress(const Item& listener, absl::string_view, std::string& storage) {
  storage = listener.config->address.ToString();
  return storage;
}

absl::string_view ReadEffectiveAddress(const Item& listener, absl::string_view,
                                       std::string& storage) {
  storage = listener.effective_address.ToString();
  return storage;
}

absl::string_view ReadStateReason(const Item& listener, absl::string_view, std::string&) {
  return listener.state_reason;
}

absl::string_view ReadLabel(const Item& listener, absl::string_view key, std::string&) {
  const auto& labels = RecordOf(listener).labels;
  const auto found = labels.find(key);
  return found == labels.end() ? absl::string_view() : absl::string_view(found->second);
}

constexpr TextField<Item> kTexts[] = {
    {"name", ReadName, "listeners/"},
    {"uid", ReadUid},
    {"display_name", ReadDisplayName},
    {"service", ReadService, "services/"},
    {"address", ReadAddress, "",
     [](const Item& s) -> const SocketAddress& { return s.config->address; }},
    {"effective_address", ReadEffectiveAddress, "",
     [](const Item& s) -> const SocketAddress& { return s.effective_address; }},
    {"state_reason", ReadStateReason},
    {"labels", ReadLabel, "", nullptr, nullptr, /*is_map=*/true},
};

}  // namespace

template <>
const ResourceFields<ListenerSnapshot>& FieldsOf<ListenerSnapshot>() {
  static constexpr ResourceFields<ListenerSnapshot> kFields{kNumbers, kTexts};
  return kFields;
}

}  // namespace sockhost
