// The way of one watch through the frames of its view.
#ifndef SOCKHOST_SERVER_VIEW_CURSOR_H_
#define SOCKHOST_SERVER_VIEW_CURSOR_H_

#include <grpcpp/support/slice.h>

#include <string>
#include <vector>

#include "socket_view.h"

namespace sockhost {

// Cuts what a reader has not seen into parts of at most 250 KiB, in the order of
// ids. One way through all ids is a sweep. A reader that is slow gets each part
// from the frame that is the newest then; so what it has seen is remembered for
// each range of ids: 16 bytes for each part of a sweep.
//
// Thread rule: one thread at a time.
class ViewCursor {
 public:
  // `only_changed`: leave out sockets that did not change since they were seen.
  explicit ViewCursor(bool only_changed) : only_changed_(only_changed) {}

  // Takes everything in `frame` as seen.
  void Skip(const ViewFrame& frame);

  // Begins a sweep. The one before is over.
  void Begin();
  bool in_sweep() const { return in_sweep_; }

  struct Part {
    // Fields of WatchSocketsResponse. Parts of chunks, shared with other watches.
    std::vector<grpc::Slice> fields;
    // The reader must forget all sockets before.
    bool reset = false;
    // The sweep goes on.
    bool more = false;
  };
  // The next part of the sweep. `frame` has its bytes, and is not older than the
  // one before.
  Part Next(const ViewFrame& frame);

 private:
  // Ids up to `last`, from that of the range before, were seen at `version`.
  struct Range {
    SocketId last;
    ViewVersion version;
  };
  class Walk;

  ViewVersion OldestSeen() const;

  const bool only_changed_;
  bool in_sweep_ = false;
  // What was seen before this sweep; ids behind the last range never were.
  std::vector<Range> seen_;
  // What was seen in this sweep: its last range tells where it stands.
  std::vector<Range> swept_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_VIEW_CURSOR_H_
