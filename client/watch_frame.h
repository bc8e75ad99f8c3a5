// The picture of one sample, as lines of text.
#ifndef SOCKHOST_CLIENT_WATCH_FRAME_H_
#define SOCKHOST_CLIENT_WATCH_FRAME_H_

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/socket_samples.h"

namespace sockhost::client {

// Room for a frame. The default is room for everything.
struct FrameSize {
  size_t columns = std::numeric_limits<size_t>::max();
  size_t lines = std::numeric_limits<size_t>::max();
};

struct WatchFrame {
  std::vector<std::string> summary;  // when, which instance, totals
  std::string titles;                // of the columns
  std::vector<std::string> rows;     // the most active socket first
};

// Draws `samples` into `size`: columns of less use are left out until the rest
// fits, then lines are cut; rows that do not fit become "... and N more".
WatchFrame DrawFrame(const SocketSamples& samples, const FrameSize& size,
                     absl::TimeZone time_zone = absl::LocalTimeZone());

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_WATCH_FRAME_H_
