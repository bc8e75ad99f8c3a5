// All open streams: those of WatchSockets, and by EventWatchSet those of
// WatchEvents.
#ifndef SOCKHOST_SERVER_WATCH_SET_H_
#define SOCKHOST_SERVER_WATCH_SET_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "admin_role.h"
#include "event_watch_set.h"
#include "socket_sample.h"
#include "socket_watch.h"
#include "sockhost/service_host.h"
#include "sockhost/v1/watch.pb.h"
#include "stream_reader.h"
#include "task_thread.h"
#include "watch_options.h"

namespace sockhost {

// One sampler for each interval serves all watches with that interval, on the thread
// of `tasks`; watches with the same filter and mask among them share a view, so that
// a sample is encoded once for all of them. A sample is taken and its views are
// brought up to date in one round. Rounds come one after another, each view as a task
// of its own: how long others wait does not depend on the number of views.
//
// Thread rule: any thread. Outlives every watch: gRPC's shutdown comes first.
class WatchSet {
 public:
  // Ends the connection that gRPC calls `peer`. Any thread; does not wait.
  using CutOff = std::function<void(const std::string& peer)>;
  // The role that somebody has now. Any thread; does not wait.
  using RoleOf = std::function<AdminRole(const AdminPeer& peer)>;

  // `host` and `tasks` are not owned. Readers that are stuck get the `cut_off`. Of a `limit` above
  // 8 the last two are for operators and admins.
  WatchSet(const ServiceHost& host, TaskThread& tasks, size_t limit, std::string instance_id,
           CutOff cut_off, RoleOf role_of);

  // Starts the watch that `request` asks for. Ends it with FILTER_INVALID, INTERVAL_INVALID,
  // MASK_INVALID, WATCH_LIMIT, SHUTTING_DOWN.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(const v1::WatchSocketsRequest& request,
                                                    StreamReader reader);

  // The same for a stream of WatchEvents; see EventWatchSet.
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* StartEvents(
      const v1::WatchEventsRequest& request, StreamReader reader);

  // Roles have changed: streams whose readers may no longer watch end with ROLE_REQUIRED, one
  // that is in the middle of a message after it.
  void CheckRoles();

  // Ends every watch with SHUTTING_DOWN, those of events when their readers have got what there
  // is; and later ones at once.
  void Stop();

  const std::string& instance_id() const { return instance_id_; }
  // Both kinds together.
  size_t size() const;
  size_t limit() const { return limit_; }
  // Encoded samples that readers are on the way through. For tests.
  size_t held_bytes() const { return held_bytes_.load(std::memory_order_relaxed); }

  // ---- For SocketWatch ------------------------------------------------------

  // The watch needs a sample that is taken from now on, with its bytes: it gets
  // Continue.
  void Want(std::shared_ptr<SocketWatch> watch);
  void Remove(const SocketWatch* watch);

 private:
  using Watches = std::vector<std::shared_ptr<SocketWatch>>;
  struct ViewWatches {
    std::shared_ptr<SocketView> view;
    Watches watches;
  };
  // Watches with the same interval.
  struct Group {
    // By WatchOptions::view_key.
    std::map<std::string, ViewWatches> views;
    // When its sampler comes next; empty: it is there, or there is none.
    std::optional<TaskThread::TimedTask> tick;
  };
  struct Round {
    // Of the sampler that comes again; zero: for watches that want a sample.
    absl::Duration interval;
    // On the monotonic clock.
    absl::Duration begin;
    // The last is the next.
    std::vector<ViewWatches> views;
    // Null before a view has needed it.
    std::shared_ptr<const SocketSample> sample;
  };

  AdminRole RoleNow(const StreamReader& reader) const;
  // How many watches there may be before somebody of that role begins one.
  size_t LimitOf(AdminRole role) const;
  absl::Status CheckLocked(const StreamReader& reader) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<SocketWatch>> Add(const WatchOptions& options,
                                                   StreamReader reader);
  void WantLocked(std::shared_ptr<SocketWatch> watch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ServeWanting();
  void TickLaterLocked(absl::Duration interval, absl::Duration delay)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tick(absl::Duration interval);
  void Begin(Round round);
  void ServeNext();
  void Serve(Round& round, const ViewWatches& of_view);
  void BoundHeld(const std::shared_ptr<SocketView>& served);
  void End(const Round& round);
  void BeatLaterLocked(const std::shared_ptr<SocketWatch>& watch, absl::Duration delay)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Beat(const std::shared_ptr<SocketWatch>& watch);
  void BeginPatrolsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Patrol();
  Watches AllLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ServiceHost& host_;
  TaskThread& tasks_;
  const size_t limit_;
  const std::string instance_id_;
  const CutOff cut_off_;
  const RoleOf role_of_;

  EventWatchSet events_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool patrols_ ABSL_GUARDED_BY(mutex_) = false;
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  // By interval; zero: watches that end with the first sample, no sampler. A group
  // without watches goes, with its sampler's next visit; while the sampler is there
  // it stays, until that ends: a group never has two.
  std::map<absl::Duration, Group> groups_ ABSL_GUARDED_BY(mutex_);
  // The next heartbeat of each watch that has some.
  std::map<const SocketWatch*, TaskThread::TimedTask> beats_ ABSL_GUARDED_BY(mutex_);
  // Those that want a sample; not empty: ServeWanting is on its way.
  Watches wanting_ ABSL_GUARDED_BY(mutex_);

  // Of the task thread; the first is in progress, and has views. A later one takes a later
  // sample: what a view shows never goes back.
  std::deque<Round> rounds_;
  // Of the task thread: views that kept bytes when they were served, the last one last.
  std::deque<std::shared_ptr<SocketView>> held_;
  std::atomic<size_t> held_bytes_{0};
  // On the monotonic clock: when it was said last that samples come late.
  absl::Duration told_late_ = -absl::InfiniteDuration();
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_WATCH_SET_H_
