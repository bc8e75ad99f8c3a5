// The fields of services.
#include "resource_fields.h"

namespace sockhost {
namespace {

using Item = ServiceSnapshot;

// The names of service.proto; a test compares them.
constexpr FieldWord kKinds[] = {
    WordOf("BUILT_IN", ServiceKind::kBuiltIn),
    WordOf("MODULE", ServiceKind::kModule),
};

constexpr NumberField<Item> kNumbers[] = {
    {"kind", [](const Item& s) { return static_cast<int64_t>(s.kind); }, kKinds},
    {"capacity", [](const Item& s) { return int64_t{s.capacity}; }},
    {"used", [](const Item& s) { return int64_t{s.registered}; }},
    {"sockets", [](const Item& s) { return int64_t{s.sockets}; }},
#define SOCKHOST_X(counter, kind) SOCKHOST_COUNTER_FIELD(Item, counter, kind)
    SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

constexpr TextField<Item> kTexts[] = {
    {"name",
     [](const Item& s, absl::string_view, std::string&) { return absl::string_view(*s.name); },
     "services/"},
    {"owner",
     [](const Item& s, absl::string_view, std::string&) { return absl::string_view(s.owner); }},
};

}  // namespace

template <>
const ResourceFields<ServiceSnapshot>& FieldsOf<ServiceSnapshot>() {
  static constexpr ResourceFields<ServiceSnapshot> kFields{kNumbers, kTexts};
  return kFields;
}

}  // namespace sockhost
