// The fields that a filter can name, and how they are read from a socket.
#ifndef SOCKHOST_SERVER_FILTER_FIELD_H_
#define SOCKHOST_SERVER_FILTER_FIELD_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

// A value with a name, of an enum or a boolean.
struct FilterWord {
  absl::string_view name;
  int64_t value;
};

// A field that is compared as a number.
struct FilterNumberField {
  absl::string_view name;
  int64_t (*read)(const SocketSnapshot& socket);
  // The only values, if the field is an enum or a boolean; it has no order then.
  absl::Span<const FilterWord> words = {};
  // ns since 1970, written as in RFC 3339.
  bool is_time = false;
};

// A field that is compared as text.
struct FilterTextField {
  absl::string_view name;
  // The text, of a resource name only the id. It is in the socket or in `storage`.
  absl::string_view (*read)(const SocketSnapshot& socket, std::string& storage);
  // What stands before the id in a full resource name: "services/".
  absl::string_view collection = {};
  // Set for addresses.
  const SocketAddress& (*address)(const SocketSnapshot& socket) = nullptr;
};

// The field of that name, or nullptr.
const FilterNumberField* FindFilterNumberField(absl::string_view name);
const FilterTextField* FindFilterTextField(absl::string_view name);

// The field that was most likely meant by `name`; empty if none is near.
absl::string_view NearestFilterField(absl::string_view name);

// "name, service, ... and counters.NAME".
std::string ListFilterFields();

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FILTER_FIELD_H_
