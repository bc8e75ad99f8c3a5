// The streams of WatchSockets.
#ifndef SOCKHOST_SERVER_SOCKET_WATCH_H_
#define SOCKHOST_SERVER_SOCKET_WATCH_H_

#include <grpcpp/support/server_callback.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sample_cursor.h"
#include "sockhost/service_host.h"
#include "sockhost/v1/watch.pb.h"
#include "task_thread.h"

namespace sockhost {

class WatchSet;

// One open stream. A sample that is offered is sent as soon as the reader has
// taken what is in flight; until then it waits, and a newer one takes its place.
//
//              Offer                   reader took the last message
//   idle ----------------> writing --------------------------------> idle
//     |                       |        (or: next sample, writing again)
//     | End, OnCancel         | End, OnCancel: when the write is over
//     v                       v
//   finished: Finish was called once; OnDone lets go of the object
//
// Thread rule: any thread. The mutex is not held while gRPC is called, because
// gRPC may run a reaction inside the call.
class SocketWatch : public grpc::ServerWriteReactor<v1::WatchSocketsResponse> {
 public:
  SocketWatch(WatchSet& set, SampleCursor::Options options, bool once);

  // Keeps the watch alive until gRPC is done with it.
  void HoldUntilDone(std::shared_ptr<SocketWatch> self) { self_ = std::move(self); }

  void Offer(std::shared_ptr<const SocketSample> sample);
  void End(grpc::Status status);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Advance();

  WatchSet& set_;
  const bool once_;
  std::shared_ptr<SocketWatch> self_;

  absl::Mutex mutex_;
  SampleCursor cursor_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const SocketSample> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t coalesced_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  // Filled while not writing; gRPC's while writing.
  v1::WatchSocketsResponse message_;
};

// All open watches. One sampler for each interval serves all watches with that
// interval, on the task thread.
//
// Thread rule: any thread. Outlives every watch: gRPC's shutdown comes first.
class WatchSet {
 public:
  // `host` and `tasks` are not owned.
  WatchSet(const ServiceHost& host, TaskThread& tasks, size_t limit, std::string instance_id);

  // Starts the watch that `request` asks for. Ends it with FILTER_INVALID,
  // INTERVAL_INVALID, WATCH_LIMIT, SHUTTING_DOWN.
  grpc::ServerWriteReactor<v1::WatchSocketsResponse>* Start(const v1::WatchSocketsRequest& request);

  // Ends every watch with SHUTTING_DOWN, and later ones at once.
  void Stop();

  size_t size() const;
  size_t limit() const { return limit_; }

 private:
  friend class SocketWatch;
  using Group = std::vector<std::shared_ptr<SocketWatch>>;

  absl::Status Add(const std::shared_ptr<SocketWatch>& watch, absl::Duration interval);
  void Remove(const SocketWatch* watch);
  void Tick(absl::Duration interval);

  const ServiceHost& host_;
  TaskThread& tasks_;
  const size_t limit_;
  const std::string instance_id_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // By interval. A group stays without watches until its sampler comes by and
  // ends: a group never has two.
  std::map<absl::Duration, Group> groups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SOCKET_WATCH_H_
