// One stream of WatchSockets.
#ifndef SOCKHOST_SERVER_SOCKET_WATCH_H_
#define SOCKHOST_SERVER_SOCKET_WATCH_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "socket_view.h"
#include "sockhost/v1/watch.pb.h"
#include "stream_reader.h"
#include "view_cursor.h"
#include "watch_options.h"

namespace sockhost {

class WatchSet;

// Sends what its reader has not seen of a view, one message at a time. The bytes
// of the sockets are the view's, shared with other watches; only what stands
// around them is the watch's own.
//
//              Offer                   reader took the last message
//   idle ----------------> writing --------------------------------> idle
//     |                       |        (or: the next part, writing again)
//     | End, OnCancel         | End, OnCancel: when the write is over
//     v                       v
//   finished: Finish was called once; OnDone lets go of the object
//
// Thread rule: any thread. The mutex is not held while gRPC is called, because
// gRPC may run a reaction inside the call.
class SocketWatch : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                    public std::enable_shared_from_this<SocketWatch> {
 public:
  SocketWatch(WatchSet& set, const WatchOptions& options, std::shared_ptr<SocketView> view,
              StreamReader reader);

  // Keeps the watch alive until gRPC is done with it.
  void HoldUntilDone(std::shared_ptr<SocketWatch> self) { self_ = std::move(self); }

  const std::shared_ptr<SocketView>& view() const { return view_; }
  const StreamReader& reader() const { return reader_; }

  // The view has the next sample. If the one before still waits it is coalesced.
  // Nothing happens before the first Continue: the sample can be older than the
  // call.
  void Offer();
  // The view has what the watch asked WatchSet::Want for, or WatchSet for it.
  void Continue();
  // Sends a heartbeat if nothing was sent for that long; returns in how long to
  // ask again.
  absl::Duration Beat();
  void End(grpc::Status status);

  // True while the reader has not taken the last message.
  bool IsWriting() const;
  // Called once for each patrol: how many of them in a row the reader has let pass
  // without taking the message that is in flight. Not a time: the clock goes on
  // while this process is stopped.
  int CountPatrols();

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  enum class Step { kNothing, kWrite, kWant, kFinish };
  void Advance();
  Step NextStepLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Step NextPartLocked(const ViewFrame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True if the part has to be sent.
  bool IsWorthALine(const ViewCursor::Part& part) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLocked(v1::WatchSocketsResponse& head, std::vector<grpc::Slice> fields)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WatchSet& set_;
  const bool once_;
  const bool only_changed_;
  const absl::Duration heartbeat_;
  const std::shared_ptr<SocketView> view_;
  const StreamReader reader_;
  std::shared_ptr<SocketWatch> self_;

  mutable absl::Mutex mutex_;
  ViewCursor cursor_ ABSL_GUARDED_BY(mutex_);
  // There was a sample that is not older than the call.
  bool began_ ABSL_GUARDED_BY(mutex_) = false;
  // The initial set must not be sent.
  bool skip_ ABSL_GUARDED_BY(mutex_);
  bool synced_ ABSL_GUARDED_BY(mutex_) = false;
  // The message before had `more` set.
  bool continues_ ABSL_GUARDED_BY(mutex_) = false;
  bool offered_ ABSL_GUARDED_BY(mutex_) = false;
  bool wanting_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the last message that was no heartbeat.
  int64_t news_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t coalesced_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t told_coalesced_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the last write, on the monotonic clock.
  absl::Duration write_time_ ABSL_GUARDED_BY(mutex_);
  int patrols_ ABSL_GUARDED_BY(mutex_) = 0;
  // Filled while not writing; gRPC's while writing.
  grpc::ByteBuffer message_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SOCKET_WATCH_H_
