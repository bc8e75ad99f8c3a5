// One stream of WatchEvents.
#ifndef SOCKHOST_SERVER_EVENT_WATCH_H_
#define SOCKHOST_SERVER_EVENT_WATCH_H_

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "event_watch_options.h"
#include "sockhost/event_ring.h"
#include "sockhost/v1/event.pb.h"
#include "stream_reader.h"

namespace sockhost {

class EventWatchSet;

// Reads the ring at its reader's pace, one message at a time: what is kept for the
// stream is a number and the message in flight.
//
//            Look: new events             reader took the last message
//   idle -----------------------> writing ------------------------------> idle
//     |                              |      (or: more events, writing again)
//     | End, OnCancel, events lost;  | when the write is over
//     | no more events, if it is to  |
//     | end after them; all of ONCE  |
//     v                              v
//   finished: Finish was called once; OnDone lets go of the object
//
// Thread rule: any thread. The mutex is not held while gRPC is called, because
// gRPC may run a reaction inside the call.
class EventWatch : public grpc::ServerWriteReactor<v1::WatchEventsResponse> {
 public:
  EventWatch(EventWatchSet& set, const EventRing& ring, EventWatchOptions options,
             StreamReader reader);

  // Keeps the watch alive until gRPC is done with it.
  void HoldUntilDone(std::shared_ptr<EventWatch> self) { self_ = std::move(self); }

  const StreamReader& reader() const { return reader_; }

  // There may be new events, or a heartbeat is due.
  void Look() { Advance(); }
  void End(grpc::Status status);
  // The same, when the reader has got the events that there are.
  void EndAfterEvents(grpc::Status status);

  // Called once for each patrol: how many of them in a row the reader has let pass
  // without taking the message that is in flight.
  int CountPatrols();

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  enum class Step { kNothing, kWrite, kFinish };
  void Advance();
  Step NextStepLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves events that match into the message until it is full or there are none.
  // Error: EVENTS_LOST.
  absl::Status CollectLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds it to the message; the bytes that it takes there.
  size_t Add(const HostEvent& event);

  EventWatchSet& set_;
  const EventRing& ring_;
  const EventWatchOptions options_;
  const StreamReader reader_;
  std::shared_ptr<EventWatch> self_;

  mutable absl::Mutex mutex_;
  // Of the last event that was looked at.
  int64_t position_ ABSL_GUARDED_BY(mutex_);
  // Up to the oldest event that is kept nothing counts as lost.
  bool seeks_oldest_ ABSL_GUARDED_BY(mutex_);
  // The last event that had happened when the watch began, and whether it is behind us.
  int64_t sync_at_ ABSL_GUARDED_BY(mutex_) = 0;
  bool synced_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // How it ends when there are no more events.
  std::optional<grpc::Status> farewell_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  // Of the last write, on the monotonic clock.
  absl::Duration write_time_ ABSL_GUARDED_BY(mutex_);
  int patrols_ ABSL_GUARDED_BY(mutex_) = 0;
  // Filled while not writing; gRPC's while writing.
  v1::WatchEventsResponse message_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_EVENT_WATCH_H_
