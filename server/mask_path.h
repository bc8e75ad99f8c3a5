// Paths of a google.protobuf.FieldMask: what an error says of one.
#ifndef SOCKHOST_SERVER_MASK_PATH_H_
#define SOCKHOST_SERVER_MASK_PATH_H_

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// MASK_INVALID with `field`, the mask's own name, and the metadata `path`; `why` is
// about the path, and says what to do.
absl::Status MaskError(absl::string_view path, absl::string_view why, absl::string_view field);

// OK if `path` leads to a field of `type` or of a message in it; else a MaskError that names
// the part which does not, and the field that was probably meant.
absl::Status CheckMaskPath(const std::string& path, const google::protobuf::Descriptor& type,
                           absl::string_view field);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_MASK_PATH_H_
