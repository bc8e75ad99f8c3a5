// Which fields of a message a client wants to see.
#ifndef SOCKHOST_SERVER_READ_MASK_H_
#define SOCKHOST_SERVER_READ_MASK_H_

#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// A google.protobuf.FieldMask of one message type, looked up once. `name` is
// always shown: without it nobody knows whose values they are. A value type;
// copies share what was parsed.
//
// Thread rule: any thread; one mask may trim on several threads at once.
class ReadMask {
 public:
  // Shows everything.
  ReadMask() = default;

  // Reads a mask over `type`; empty and "*" show everything. Error: MASK_INVALID
  // with `field` and the metadata `path`.
  static absl::StatusOr<ReadMask> Parse(const google::protobuf::FieldMask& mask,
                                        const google::protobuf::Descriptor& type,
                                        absl::string_view field);

  // Clears what is not shown.
  void Trim(google::protobuf::Message& message) const;

  // Equal for masks that show the same; "" if everything is shown.
  const std::string& key() const { return key_; }

 private:
  struct Node;

  // nullptr: everything.
  std::shared_ptr<const Node> root_;
  std::string key_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_READ_MASK_H_
