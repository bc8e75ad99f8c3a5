// The columns in which lists of resources are shown.
#ifndef SOCKHOST_CLIENT_RESOURCE_TABLES_H_
#define SOCKHOST_CLIENT_RESOURCE_TABLES_H_

#include <google/protobuf/repeated_field.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/text_table.h"
#include "sockhost/v1/listener.pb.h"
#include "sockhost/v1/service.pb.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost::client {

// One row per resource. `now` is what ages are counted from. Counters are exact.
TextTable TableOf(const google::protobuf::RepeatedPtrField<v1::Listener>& listeners,
                  absl::Time now);
TextTable TableOf(const google::protobuf::RepeatedPtrField<v1::Socket>& sockets, absl::Time now);
TextTable TableOf(const google::protobuf::RepeatedPtrField<v1::Service>& services, absl::Time now);
// The upstreams of one listener.
TextTable TableOf(const google::protobuf::RepeatedPtrField<v1::UpstreamStatus>& upstreams,
                  absl::Time now);

// The name of an enum value; its number if a newer daemon sends one unknown here.
// `name_of` is the generated function, e.g. v1::Listener::State_Name.
template <class Enum>
std::string EnumText(Enum value, const std::string& (*name_of)(Enum)) {
  const std::string& name = name_of(value);
  return name.empty() ? absl::StrCat(static_cast<int>(value)) : name;
}

// The same moment as an absl::Time.
absl::Time TimeOf(const google::protobuf::Timestamp& timestamp);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_RESOURCE_TABLES_H_
