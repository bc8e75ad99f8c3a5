// What the admin API knows of a listener beyond what the core runs.
#ifndef SOCKHOST_SERVER_LISTENER_RECORD_H_
#define SOCKHOST_SERVER_LISTENER_RECORD_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sockhost/listener_config.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// A random UUID (RFC 9562, version 4).
using Uuid = std::array<uint8_t, 16>;

// Kept with the listener in the core, so that the two come and go together, and by the history
// of events after that: as few bytes, in as few blocks, as can be.
struct ListenerRecord : ListenerAttachment {
  // What the client asked for, as a v1::Listener was written: no output-only field is set, the
  // name is.
  std::string declared;
  // Of these, what filters ask for.
  std::string display_name;
  std::map<std::string, std::string, std::less<>> labels;
  Uuid uid{};
  // In text form EtagText.
  uint64_t etag = 0;
  int64_t create_time_nanos = 0;
  int64_t update_time_nanos = 0;
};

// Reads `record.declared`.
v1::Listener DeclaredOf(const ListenerRecord& record);
std::string EtagText(const ListenerRecord& record);

// Checks display_name and labels. Error: FIELD_INVALID with the field.
absl::Status ValidateListenerTexts(const v1::Listener& listener);

// A new record of `listener`, to be known as `id`; uid, etag and times are made. Leaves what it
// records as declared in `listener`.
std::shared_ptr<const ListenerRecord> MakeListenerRecord(absl::string_view id,
                                                         v1::Listener& listener);

// The record of the same listener after an update, with a new etag.
std::shared_ptr<const ListenerRecord> UpdatedRecord(const ListenerRecord& record,
                                                    const v1::Listener& declared);

Uuid MakeUuid();
std::string UuidText(const Uuid& uuid);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LISTENER_RECORD_H_
