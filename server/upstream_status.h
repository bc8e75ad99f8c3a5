// What is known of how an upstream does.
#ifndef SOCKHOST_SERVER_UPSTREAM_STATUS_H_
#define SOCKHOST_SERVER_UPSTREAM_STATUS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "upstream.h"

namespace sockhost {

// Why an upstream could not be used: an errno, or one of these.
inline constexpr int kNoAnswer = -1;    // within the connect timeout
inline constexpr int kNoAddress = -2;   // its name has none
inline constexpr int kOwnAddress = -3;  // it leads to this host itself

// "ECONNREFUSED", "timed out", "no address", "own address"; "" for 0.
std::string ProblemText(int problem);

// The words of UpstreamStatus.State in forward.proto, where their meaning stands. See
// UpstreamSet for what leads from one to another.
enum class UpstreamState : uint8_t { kHealthy, kBackingOff, kOnTrial, kUnresolved };

// A copy; plain data. Times are those of CLOCK_MONOTONIC.
struct UpstreamStatus {
  UpstreamState state = UpstreamState::kHealthy;
  // Since it worked last.
  int consecutive_failures = 0;
  // Both mean something if there are consecutive failures.
  absl::Duration failing_since;
  absl::Duration retry_at;
  // Of the last failure that there ever was; 0: none.
  int last_problem = 0;
  absl::Duration last_failure;
  int active = 0;
  int64_t connections = 0;
  int64_t failures = 0;
};

// An upstream has begun to fail, or works again.
struct UpstreamChange {
  const Upstream& upstream;
  bool works = false;
  // Of failing: why, and after what time it is tried again.
  int problem = 0;
  absl::Duration back_off = {};
  // Of working: for how long it has failed, and how often.
  absl::Duration failed_for = {};
  int failures = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_UPSTREAM_STATUS_H_
