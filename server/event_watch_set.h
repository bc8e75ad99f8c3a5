// All open streams of WatchEvents.
#ifndef SOCKHOST_SERVER_EVENT_WATCH_SET_H_
#define SOCKHOST_SERVER_EVENT_WATCH_SET_H_

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "event_watch.h"
#include "sockhost/event_ring.h"
#include "sockhost/v1/event.pb.h"
#include "task_thread.h"

namespace sockhost {

// While there are watches, the task thread looks for new events every 20 ms: so
// whoever makes an event need not know that anybody watches.
//
// Thread rule: any thread. Outlives every watch: gRPC's shutdown comes first.
class EventWatchSet {
 public:
  // `ring` and `tasks` are not owned.
  EventWatchSet(const EventRing& ring, TaskThread& tasks, std::string instance_id);

  // Starts the watch that `request` asks for. Ends it with FIELD_INVALID, FILTER_INVALID,
  // INTERVAL_INVALID, MASK_INVALID, RESUME_TOKEN_INVALID, INSTANCE_CHANGED,
  // SEQUENCE_EXPIRED, EVENTS_LOST.
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* Start(const v1::WatchEventsRequest& request,
                                                           StreamReader reader);

  // A watch that is over before it began.
  static grpc::ServerWriteReactor<v1::WatchEventsResponse>* Refuse(const absl::Status& status);

  // One patrol: what gRPC calls the connections of the readers that have let pass
  // more than `most` in a row.
  std::vector<std::string> Patrol(int most);

  // Ends the watches whose readers `is_wanted` does not want any more; how many.
  size_t EndUnwanted(const std::function<bool(const StreamReader&)>& is_wanted,
                     const grpc::Status& status);

  // Ends every watch when its reader has got the events that there are.
  void Stop(const grpc::Status& status);

  const std::string& instance_id() const { return instance_id_; }
  size_t size() const;

  // For EventWatch.
  void Remove(const EventWatch* watch);

 private:
  using Watches = std::vector<std::shared_ptr<EventWatch>>;

  // With SEQUENCE_EXPIRED.
  absl::StatusOr<EventWatchOptions> Parse(const v1::WatchEventsRequest& request) const;
  std::shared_ptr<EventWatch> Add(EventWatchOptions options, StreamReader reader);
  void Look();

  const EventRing& ring_;
  TaskThread& tasks_;
  const std::string instance_id_;

  mutable absl::Mutex mutex_;
  bool looks_ ABSL_GUARDED_BY(mutex_) = false;
  Watches watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_EVENT_WATCH_SET_H_
