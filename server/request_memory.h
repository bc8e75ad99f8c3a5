// What was answered to requests that carry a request_id.
#ifndef SOCKHOST_SERVER_REQUEST_MEMORY_H_
#define SOCKHOST_SERVER_REQUEST_MEMORY_H_

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sockhost {

// Thread rule: any thread.
class RequestMemory {
 public:
  // The contract of AdminService names these.
  static constexpr size_t kMostAnswers = 4096;
  static constexpr size_t kMostBytes = 4 << 20;
  static constexpr absl::Duration kWindow = absl::Minutes(10);

  // The answer that was given to a request before, or nothing.
  using Answer = std::optional<std::string>;

  // A request of `method` begins. Returns the answer that was given to it before,
  // or nothing: then End must follow. Errors: REQUEST_ID_INVALID, REQUEST_ID_REUSED,
  // REQUEST_IN_PROGRESS (also while kMostAnswers others are). `now` is on the monotonic clock.
  absl::StatusOr<Answer> Begin(const std::string& request_id, absl::string_view method,
                               const google::protobuf::MessageLite& request, absl::Duration now);
  // What Begin would return, which has not happened.
  absl::StatusOr<Answer> Look(const std::string& request_id, absl::string_view method,
                              const google::protobuf::MessageLite& request, absl::Duration now);
  // It has ended: with `answer`, or without success.
  void End(const std::string& request_id, Answer answer, absl::Duration now);

 private:
  struct Entry {
    std::string request_id;
    // Tells two requests apart that somebody gave the same id by mistake.
    uint64_t fingerprint = 0;
    absl::Duration answered;
    // Nothing: in progress.
    Answer answer;
  };
  using Entries = std::list<Entry>;

  absl::StatusOr<Answer> LookLocked(const std::string& request_id, uint64_t fingerprint,
                                    absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOldestLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  // In the order of their answers.
  Entries answered_ ABSL_GUARDED_BY(mutex_);
  // Never forgotten: what they do would be done again.
  Entries in_progress_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, Entries::iterator> by_id_ ABSL_GUARDED_BY(mutex_);
  // Of answered_.
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_REQUEST_MEMORY_H_
