// Resource names: the user may write the id alone, the API wants COLLECTION/ID.
#ifndef SOCKHOST_CLIENT_RESOURCE_NAME_H_
#define SOCKHOST_CLIENT_RESOURCE_NAME_H_

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace sockhost::client {

inline constexpr absl::string_view kListeners = "listeners/";
inline constexpr absl::string_view kSockets = "sockets/";
inline constexpr absl::string_view kServices = "services/";

// web and listeners/web are both listeners/web. A name with another slash stays
// as it is: the daemon knows best what is wrong with it.
inline std::string FullName(absl::string_view collection, absl::string_view name) {
  return absl::StrContains(name, '/') ? std::string(name) : absl::StrCat(collection, name);
}

// The id in `name`, if it is of that collection; else all of `name`.
inline std::string BareId(absl::string_view collection, absl::string_view name) {
  return std::string(absl::StripPrefix(name, collection));
}

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_RESOURCE_NAME_H_
