// One resource as lines of "field  value", for people.
#ifndef SOCKHOST_CLIENT_RESOURCE_SHEET_H_
#define SOCKHOST_CLIENT_RESOURCE_SHEET_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/time/time.h"

namespace sockhost::client {

// All fields of `resource` in the order of the .proto file, under the names that
// they have there; a new field of the API needs no code here. Fields that are
// unset, empty or zero are left out, and messages that repeat: these are tables. Units: nanoseconds
// as durations
// (`handler_time_nanos` is shown as handler_time), times to the millisecond with
// their age at `now`, or how far ahead of it they are.
std::string SheetOf(const google::protobuf::Message& resource, absl::Time now);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_RESOURCE_SHEET_H_
