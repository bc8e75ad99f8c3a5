// What the admin API knows of a listener beyond what the core runs.
#ifndef SOCKHOST_SERVER_LISTENER_RECORD_H_
#define SOCKHOST_SERVER_LISTENER_RECORD_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sockhost/listener_config.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// Kept with the listener in the core, so that the two come and go together.
struct ListenerRecord : ListenerAttachment {
  // What the client asked for: no output-only field is set, the name is.
  v1::Listener declared;
  std::string uid;
  std::string etag;
  int64_t create_time_nanos = 0;
  int64_t update_time_nanos = 0;
};

// Checks display_name and labels. Error: FIELD_INVALID with the field.
absl::Status ValidateListenerTexts(const v1::Listener& listener);

// A new record of `listener`, to be known as `id`; uid, etag and times are made.
std::shared_ptr<const ListenerRecord> MakeListenerRecord(absl::string_view id,
                                                         const v1::Listener& listener);

// The record of the same listener after an update, with a new etag.
std::shared_ptr<const ListenerRecord> UpdatedRecord(const ListenerRecord& record,
                                                    const v1::Listener& declared);

// A random UUID (RFC 9562, version 4) in text form.
std::string MakeUuid();

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LISTENER_RECORD_H_
