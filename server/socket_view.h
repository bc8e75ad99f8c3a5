// What watches with the same filter and mask see of the sockets.
#ifndef SOCKHOST_SERVER_SOCKET_VIEW_H_
#define SOCKHOST_SERVER_SOCKET_VIEW_H_

#include <grpcpp/support/slice.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "read_mask.h"
#include "resource_filter.h"
#include "socket_sample.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost {

// Counts the samples that a view has taken in. 0: before the first.
using ViewVersion = uint32_t;

// A view at one moment; never changed once made. Who has seen version V of the
// view knows everything with a version of at most V: what changed later is what
// has to be sent, so a watch needs no copy of what it sent.
struct ViewFrame {
  // A socket that matches.
  struct Entry {
    SocketId id = 0;
    // Of its encoded bytes.
    uint64_t hash = 0;
    // When its bytes changed last, and since when it has matched.
    ViewVersion changed = 0;
    ViewVersion since = 0;
    // Where its bytes begin; they end where the next ones begin, or with the chunk.
    uint32_t chunk = 0;
    uint32_t begin = 0;
  };
  // One that matched, from `since` on, and does not from `gone` on.
  struct Gone {
    SocketId id = 0;
    ViewVersion since = 0;
    ViewVersion gone = 0;
  };

  ViewVersion version = 0;
  // Of the sample, ns since 1970.
  int64_t time_nanos = 0;
  // In the order of ids; shared, because a frame can live on without its bytes.
  std::shared_ptr<const std::vector<Entry>> entries;
  // In the order of ids. What went at or before `forgotten` can be missing.
  std::shared_ptr<const std::vector<Gone>> gone;
  ViewVersion forgotten = 0;
  // Fields `sockets` of WatchSocketsResponse, one behind the other. A part of a
  // chunk that is in flight keeps the whole chunk, so chunks are small. Empty if
  // the bytes were dropped.
  std::vector<grpc::Slice> chunks;
  bool has_bytes = false;
  // Of the chunks together.
  size_t size = 0;

  // Where the bytes of an entry end.
  uint32_t EndOf(size_t index) const;
};

// Encodes samples once for all watches that see the same. Costs 32 bytes for each
// socket that matches, and the encoded bytes as long as some watch needs them.
//
// Thread rule: Update on one thread at a time; the others on any.
class SocketView {
 public:
  SocketView(SocketFilter filter, ReadMask mask);

  // Makes the next version.
  void Update(const SocketSample& sample);

  // The newest version; of version 0 and without bytes before the first Update.
  std::shared_ptr<const ViewFrame> frame() const;

  // Somebody is on the way through the bytes. They are dropped with the last
  // Release, and by Drop whoever holds them.
  void Hold();
  void Release();
  void Drop();
  // Bytes that are kept for those who hold them.
  size_t held_bytes() const;

 private:
  // An Update in progress.
  class Builder;

  void DropLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SocketFilter filter_;
  const ReadMask mask_;

  mutable absl::Mutex mutex_;
  int holders_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const ViewFrame> frame_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SOCKET_VIEW_H_
