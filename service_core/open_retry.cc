#include "open_retry.h"

#include <algorithm>

namespace sockhost {
namespace {

constexpr absl::Duration kFirstDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestDelay = absl::Seconds(1);

// A server that was killed leaves its file behind: only asking shows that nobody is there.
constexpr absl::Duration kFirstPause = absl::Seconds(1);
constexpr absl::Duration kLongestPause = absl::Minutes(1);

}  // namespace

void OpenRetry::NoteFailure(const FileIdentity& taken) {
  // Another server than before may be on its way out, too.
  if (!(taken == taken_)) pause_ = absl::ZeroDuration();
  taken_ = taken;
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  waited_ = absl::ZeroDuration();
}

absl::Duration OpenRetry::NextDelay() {
  delay_ = std::clamp(delay_ * 2, kFirstDelay, kLongestDelay);
  waited_ += delay_;
  return delay_;
}

bool OpenRetry::IsDue(const FileIdentity& file) const {
  return taken_.inode == 0 || !(file == taken_) || waited_ >= pause_;
}

}  // namespace sockhost
