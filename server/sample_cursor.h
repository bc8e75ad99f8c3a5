// Turns samples into the messages of one watch.
#ifndef SOCKHOST_SERVER_SAMPLE_CURSOR_H_
#define SOCKHOST_SERVER_SAMPLE_CURSOR_H_

#include <memory>
#include <string>

#include "resource_filter.h"
#include "socket_sample.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost {

// Walks through one sample after another and cuts it into messages of at most
// 256 KiB. It holds two samples: the one being sent, and the one that the reader
// has seen, from which it knows what is gone and what has not changed. Samples
// are shared, so a watch has no memory of its own that grows with the sockets.
//
// Thread rule: one thread at a time.
class SampleCursor {
 public:
  struct Options {
    SocketFilter filter;
    bool suppress_redundant = false;
    std::string instance_id;
  };

  explicit SampleCursor(Options options) : options_(std::move(options)) {}

  // Begins a sample. The one before must have been walked through.
  void Begin(std::shared_ptr<const SocketSample> sample);

  // True while the sample that was begun has messages left.
  bool has_next() const { return current_ != nullptr; }

  // Fills the next message; `message` is empty before. `coalesced` is passed on.
  void Next(int64_t coalesced, v1::WatchSocketsResponse& message);

 private:
  bool NextStep(v1::WatchSocketsResponse& message, size_t& size);
  void AddSocket(const SocketSnapshot& socket, const SocketSnapshot* before,
                 v1::WatchSocketsResponse& message, size_t& size);
  void AddRemoved(const SocketSnapshot& socket, v1::WatchSocketsResponse& message, size_t& size);

  const Options options_;
  std::shared_ptr<const SocketSample> shown_;
  std::shared_ptr<const SocketSample> current_;
  // Where the walk stands in each of the two.
  size_t shown_index_ = 0;
  size_t current_index_ = 0;
  int64_t sequence_ = 0;
  bool synced_ = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SAMPLE_CURSOR_H_
