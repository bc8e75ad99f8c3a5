#include "listener_record.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "listener_declaration.h"
#include "resource_name.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kMaxTextLength = 256;
constexpr int kMaxLabels = 64;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view rule) {
  const std::string shown = absl::CHexEscape(value.substr(0, 64));
  return Error(Reason::kFIELD_INVALID, absl::StrCat(field, " \"", shown, "\": ", rule),
               {{"value", shown}}, absl::StrCat("listener.", std::string(field)));
}

// ^[a-z]([a-z0-9_.-]{0,61}[a-z0-9])?$
bool IsLabelKey(absl::string_view key) {
  if (key.empty() || key.size() > 63 || !absl::ascii_islower(key.front())) return false;
  const auto is_inner = [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.' || c == '-';
  };
  const unsigned char last = static_cast<unsigned char>(key.back());
  return std::all_of(key.begin(), key.end(), is_inner) &&
         (absl::ascii_islower(last) || absl::ascii_isdigit(last));
}

// How many bytes are taken from the kernel at a time: more could be fewer than were asked
// for (getrandom(2)).
constexpr size_t kRandomBytes = 256;

// Each byte is given out once.
template <size_t size>
std::array<uint8_t, size> RandomBytes() {
  thread_local std::array<uint8_t, kRandomBytes> bytes;
  thread_local size_t used = kRandomBytes;
  if (used + size > kRandomBytes) {
    // Cannot fail once the system has booted.
    [[maybe_unused]] const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    used = 0;
  }
  std::array<uint8_t, size> out;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(used), size, out.begin());
  used += size;
  return out;
}

// Opaque to clients; it only has to differ after each change.
uint64_t MakeEtag() {
  uint64_t bits;
  const auto bytes = RandomBytes<sizeof(bits)>();
  std::memcpy(&bits, bytes.data(), sizeof(bits));
  return bits;
}

// A node of the map apart from the texts.
constexpr size_t kLabelBytes = 2 * sizeof(std::string) + 4 * sizeof(void*);

void Declare(const v1::Listener& declared, ListenerRecord& record) {
  record.declared = declared.SerializeAsString();
  record.display_name = declared.display_name();
  // Twice: the parameters of the service have texts of their own.
  record.bytes = sizeof(record) + 2 * record.declared.size() + record.display_name.size();
  for (const auto& [key, value] : declared.labels()) {
    record.labels.emplace(key, value);
    record.bytes += kLabelBytes + key.size() + value.size();
  }
}

}  // namespace

absl::Status ValidateListenerTexts(const v1::Listener& listener) {
  if (listener.display_name().size() > kMaxTextLength) {
    return Invalid("display_name", listener.display_name(), "use at most 256 bytes");
  }
  if (listener.labels_size() > kMaxLabels) {
    return Invalid("labels", absl::StrCat(listener.labels_size()), "use at most 64 labels");
  }
  for (const auto& [key, value] : listener.labels()) {
    if (!IsLabelKey(key)) {
      return Invalid("labels", key,
                     "use keys of 1 to 63 lower-case letters, digits, '_', '.' and '-' that begin "
                     "with a letter and end with a letter or digit");
    }
    if (value.size() > kMaxTextLength) {
      return Invalid("labels", value, "use values of at most 256 bytes");
    }
  }
  return absl::OkStatus();
}

v1::Listener DeclaredOf(const ListenerRecord& record) {
  v1::Listener declared;
  declared.ParseFromString(record.declared);
  return declared;
}

std::string EtagText(const ListenerRecord& record) {
  return absl::StrCat("\"", absl::Hex(record.etag, absl::kZeroPad16), "\"");
}

std::shared_ptr<const ListenerRecord> MakeListenerRecord(absl::string_view id,
                                                         v1::Listener& listener) {
  ClearOutputOnly(listener);
  // Of newer clients: what nobody reads is not kept, nor sent to those who watch.
  listener.DiscardUnknownFields();
  listener.set_name(ListenerName(id));
  listener.set_service(ServiceName(ServiceId(listener.service())));
  if (!listener.has_enabled()) listener.set_enabled(true);
  auto record = std::make_shared<ListenerRecord>();
  Declare(listener, *record);
  record->uid = MakeUuid();
  record->etag = MakeEtag();
  record->create_time_nanos = record->update_time_nanos = absl::GetCurrentTimeNanos();
  return record;
}

std::shared_ptr<const ListenerRecord> UpdatedRecord(const ListenerRecord& record,
                                                    const v1::Listener& declared) {
  auto next = std::make_shared<ListenerRecord>();
  Declare(declared, *next);
  next->uid = record.uid;
  next->etag = MakeEtag();
  next->create_time_nanos = record.create_time_nanos;
  next->update_time_nanos = absl::GetCurrentTimeNanos();
  return next;
}

Uuid MakeUuid() {
  Uuid bytes = RandomBytes<sizeof(Uuid)>();
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return bytes;
}

std::string UuidText(const Uuid& uuid) {
  constexpr absl::string_view kDigits = "0123456789abcdef";
  std::string out(36, '-');
  size_t at = 0;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    out[at++] = kDigits[uuid[i] >> 4];
    out[at++] = kDigits[uuid[i] & 0x0f];
  }
  return out;
}

}  // namespace sockhost
