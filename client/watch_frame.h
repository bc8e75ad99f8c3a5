// The picture of one sample, as lines of text.
#ifndef SOCKHOST_CLIENT_WATCH_FRAME_H_
#define SOCKHOST_CLIENT_WATCH_FRAME_H_

#include <google/protobuf/field_mask.pb.h>

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

// Draws `samples` into `size`: addresses are shortened, then columns of less use are
// left out until the rest fits; the summary goes on in further lines. No number is ever
// cut. Rows that do not fit become "... and N more". Of sockets that come by a read mask
// only what it shows is drawn.
WatchFrame DrawFrame(const SocketSamples& samples, const FrameSize& size,
                     absl::TimeZone time_zone = absl::LocalTimeZone(),
                     const google::protobuf::FieldMask& mask = {});

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_WATCH_FRAME_H_
