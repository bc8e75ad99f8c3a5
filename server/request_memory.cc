#include "request_memory.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "admin_reply.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kMaxIdLength = 64;

// What an entry costs beside its answer, roughly.
constexpr size_t kEntryBytes = 256;

bool IsRequestId(absl::string_view id) {
  return id.size() <= kMaxIdLength && std::all_of(id.begin(), id.end(), absl::ascii_isgraph);
}

// The same for equal requests of one process: maps have no order of their own.
uint64_t FingerprintOf(absl::string_view method, const google::protobuf::MessageLite& request) {
  std::string bytes(method);
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&out);
  }
  return std::hash<std::string>()(bytes);
}

absl::Status RequestError(Reason reason, const std::string& request_id, absl::string_view why) {
  const std::string shown = Shown(request_id);
  return Error(reason, absl::StrCat("request_id \"", shown, "\": ", why), {{"request_id", shown}},
               "request_id");
}

}  // namespace

absl::StatusOr<std::optional<std::string>> RequestMemory::Begin(
    const std::string& request_id, absl::string_view method,
    const google::protobuf::MessageLite& request, absl::Duration now) {
  if (!IsRequestId(request_id)) {
    return RequestError(Reason::kREQUEST_ID_INVALID, request_id,
                        "use 1 to 64 printable ASCII characters and no blanks, best a new UUID");
  }
  const uint64_t fingerprint = FingerprintOf(method, request);
  absl::MutexLock lock(&mutex_);
  ForgetOldLocked(now);
  const auto found = by_id_.find(request_id);
  if (found == by_id_.end()) {
    entries_.push_back({request_id, fingerprint, now, false, {}});
    by_id_.emplace(request_id, std::prev(entries_.end()));
    bytes_ += kEntryBytes;
    return std::nullopt;
  }
  const Entry& entry = *found->second;
  if (entry.fingerprint != fingerprint) {
    return RequestError(Reason::kREQUEST_ID_REUSED, request_id,
                        "another request had it; use a new one for each request");
  }
  if (!entry.is_answered) {
    return RequestError(Reason::kREQUEST_IN_PROGRESS, request_id,
                        "the request is not answered yet; try again");
  }
  return entry.answer;
}

void RequestMemory::End(const std::string& request_id, std::optional<std::string> answer) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(request_id);
  // Pushed out meanwhile by many others.
  if (found == by_id_.end()) return;
  if (!answer) return ForgetLocked(found->second);
  Entry& entry = *found->second;
  entry.is_answered = true;
  entry.answer = *std::move(answer);
  bytes_ += entry.answer.size();
}

void RequestMemory::ForgetLocked(Entries::iterator entry) {
  bytes_ -= kEntryBytes + entry->answer.size();
  by_id_.erase(entry->request_id);
  entries_.erase(entry);
}

void RequestMemory::ForgetOldLocked(absl::Duration now) {
  while (!entries_.empty() && (entries_.size() >= kMostAnswers || bytes_ > kMostBytes ||
                               entries_.front().begun + kWindow <= now)) {
    ForgetLocked(entries_.begin());
  }
}

}  // namespace sockhost
