// The fields by which the resources of one kind are filtered and ordered, and how
// they are read from the core's snapshot of a resource.
#ifndef SOCKHOST_SERVER_RESOURCE_FIELDS_H_
#define SOCKHOST_SERVER_RESOURCE_FIELDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "sockhost/counters.h"
#include "sockhost/host_event.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_address.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

// A value with a name, of an enum or a boolean.
struct FieldWord {
  absl::string_view name;
  int64_t value;
};

template <class Enum>
constexpr FieldWord WordOf(absl::string_view name, Enum value) {
  return {name, static_cast<int64_t>(value)};
}

inline constexpr FieldWord kBooleanWords[] = {{"true", 1}, {"false", 0}};

// A field that is compared as a number.
template <class Item>
struct NumberField {
  absl::string_view name;
  int64_t (*read)(const Item& item) = nullptr;
  // The only values, if the field is an enum or a boolean.
  absl::Span<const FieldWord> words = {};
  // ns since 1970, written as in RFC 3339.
  bool is_time = false;
  // ns, written with a unit: 1.5s.
  bool is_duration = false;
};

// A field that is compared as text.
template <class Item>
struct TextField {
  absl::string_view name;
  // The text, of a resource name only the id. It is in the item or in `storage`.
  // `key` is of a map's field only.
  absl::string_view (*read)(const Item& item, absl::string_view key,
                            std::string& storage) = nullptr;
  // What stands before the id in a full resource name: "services/".
  absl::string_view collection = {};
  // Set for addresses.
  const SocketAddress& (*address)(const Item& item) = nullptr;
  // Set for ids that are numbers: they are ordered as such.
  int64_t (*number)(const Item& item) = nullptr;
  // A map of texts: its fields are `name`.KEY, and a missing one is empty.
  bool is_map = false;
};

// One table for each kind of resource; the first text field is the name, which is
// unique. Tables live for ever.
template <class Item>
struct ResourceFields {
  absl::Span<const NumberField<Item>> numbers;
  absl::Span<const TextField<Item>> texts;
};

// The table of a kind; see socket_fields.cc and its like.
template <class Item>
const ResourceFields<Item>& FieldsOf();
template <>
const ResourceFields<SocketSnapshot>& FieldsOf<SocketSnapshot>();
template <>
const ResourceFields<ListenerSnapshot>& FieldsOf<ListenerSnapshot>();
template <>
const ResourceFields<ServiceSnapshot>& FieldsOf<ServiceSnapshot>();
template <>
const ResourceFields<HostEvent>& FieldsOf<HostEvent>();

// The field that a client means by `name`: one of the two, or none.
template <class Item>
struct FoundField {
  const NumberField<Item>* number = nullptr;
  const TextField<Item>* text = nullptr;
  // Of a map's field.
  std::string key;
};

template <class Item>
FoundField<Item> FindField(absl::string_view name) {
  for (const NumberField<Item>& field : FieldsOf<Item>().numbers) {
    if (field.name == name) return {&field, nullptr, {}};
  }
  for (const TextField<Item>& field : FieldsOf<Item>().texts) {
    if (!field.is_map && field.name == name) return {nullptr, &field, {}};
    const size_t dot = field.name.size();
    const bool in_map = field.is_map && name.size() > dot + 1 && name[dot] == '.' &&
                        name.substr(0, dot) == field.name;
    if (in_map) return {nullptr, &field, std::string(name.substr(dot + 1))};
  }
  return {};
}

// "did you mean fd?" of a name that is no field, whichever of `names` is near; else empty.
std::string DidYouMean(absl::string_view name, const std::vector<std::string>& names);

// "did you mean fd? fields are name, fd, labels.KEY and counters.NAME": what an
// error says of a name that is no field. `names` are those of the table, those of
// maps with ".KEY" behind.
std::string SuggestField(absl::string_view name, const std::vector<std::string>& names);

template <class Item>
std::string SuggestField(absl::string_view name) {
  std::vector<std::string> names;
  for (const TextField<Item>& field : FieldsOf<Item>().texts) {
    names.push_back(std::string(field.name) + (field.is_map ? ".KEY" : ""));
  }
  for (const NumberField<Item>& field : FieldsOf<Item>().numbers) names.emplace_back(field.name);
  return SuggestField(name, names);
}

// The rows of a table for all counters of an item that has them in `counters`.
#define SOCKHOST_COUNTER_FIELD(Item, counter, kind)            \
  {"counters." #counter,                                       \
   [](const Item& s) { return s.counters[Counter::counter]; }, \
   {},                                                         \
   CounterKind::kind == CounterKind::kTime},

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_RESOURCE_FIELDS_H_
