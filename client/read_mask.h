// What a read mask of Socket leaves out.
#ifndef SOCKHOST_CLIENT_READ_MASK_H_
#define SOCKHOST_CLIENT_READ_MASK_H_

#include <google/protobuf/field_mask.pb.h>

#include "absl/strings/string_view.h"
#include "client/json_text.h"

namespace sockhost::client {

// Whether sockets come with `path`, e.g. "counters.receive_bytes". A mask without
// paths leaves out nothing.
bool IsShown(const google::protobuf::FieldMask& mask, absl::string_view path);

// All fields of Socket, and of the messages in it, with which they do not come.
LeftOutFields LeftOutBy(const google::protobuf::FieldMask& mask);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_READ_MASK_H_
