#include "request_memory.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <functional>
#include <iterator>
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

absl::Status CheckId(const std::string& request_id) {
  if (IsRequestId(request_id)) return absl::OkStatus();
  return RequestError(Reason::kREQUEST_ID_INVALID, request_id,
                      "use 1 to 64 printable ASCII characters and no blanks, best a new UUID");
}

}  // namespace

absl::StatusOr<RequestMemory::Answer> RequestMemory::Begin(
    const std::string& request_id, absl::string_view method,
    const google::protobuf::MessageLite& request, absl::Duration now) {
  if (absl::Status status = CheckId(request_id); !status.ok()) return status;
  const uint64_t fingerprint = FingerprintOf(method, request);
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Answer> before = LookLocked(request_id, fingerprint, now);
  if (!before.ok() || before->has_value()) return before;
  in_progress_.push_back({request_id, fingerprint, {}, {}});
  by_id_.emplace(request_id, std::prev(in_progress_.end()));
  return std::nullopt;
}

absl::StatusOr<RequestMemory::Answer> RequestMemory::Look(
    const std::string& request_id, absl::string_view method,
    const google::protobuf::MessageLite& request, absl::Duration now) {
  if (absl::Status status = CheckId(request_id); !status.ok()) return status;
  const uint64_t fingerprint = FingerprintOf(method, request);
  absl::MutexLock lock(&mutex_);
  return LookLocked(request_id, fingerprint, now);
}

absl::StatusOr<RequestMemory::Answer> RequestMemory::LookLocked(const std::string& request_id,
                                                                uint64_t fingerprint,
                                                                absl::Duration now) {
  while (!answered_.empty() && answered_.front().answered + kWindow <= now) ForgetOldestLocked();
  const auto found = by_id_.find(request_id);
  if (found == by_id_.end()) {
    if (in_progress_.size() < kMostAnswers) return std::nullopt;
    return RequestError(Reason::kREQUEST_IN_PROGRESS, request_id,
                        "too many other requests are not answered yet; try again");
  }
  const Entry& entry = *found->second;
  if (entry.fingerprint != fingerprint) {
    return RequestError(Reason::kREQUEST_ID_REUSED, request_id,
                        "another request had it; use a new one for each request");
  }
  if (!entry.answer) {
    return RequestError(Reason::kREQUEST_IN_PROGRESS, request_id,
                        "the request is not answered yet; try again");
  }
  return entry.answer;
}

void RequestMemory::End(const std::string& request_id, Answer answer, absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(request_id);
  if (found == by_id_.end() || found->second->answer) return;
  const auto entry = found->second;
  if (!answer) {
    by_id_.erase(found);
    in_progress_.erase(entry);
    return;
  }
  entry->answered = now;
  entry->answer = std::move(answer);
  bytes_ += kEntryBytes + entry->answer->size();
  answered_.splice(answered_.end(), in_progress_, entry);
  while (answered_.size() > kMostAnswers || bytes_ > kMostBytes) ForgetOldestLocked();
}

void RequestMemory::ForgetOldestLocked() {
  const Entry& oldest = answered_.front();
  bytes_ -= kEntryBytes + oldest.answer->size();
  by_id_.erase(oldest.request_id);
  answered_.pop_front();
}

}  // namespace sockhost
