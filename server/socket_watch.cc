#include "socket_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "grpc_status.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::Duration kShortestInterval = absl::Milliseconds(100);
constexpr absl::Duration kLongestInterval = absl::Hours(1);
constexpr absl::Duration kDefaultInterval = absl::Seconds(1);

absl::StatusOr<absl::Duration> ParseInterval(const v1::WatchSocketsRequest& request) {
  const google::protobuf::Duration& wanted = request.sample_interval();
  const absl::Duration interval =
      absl::Seconds(wanted.seconds()) + absl::Nanoseconds(wanted.nanos());
  if (interval == absl::ZeroDuration()) return kDefaultInterval;
  if (interval >= kShortestInterval && interval <= kLongestInterval) return interval;
  const std::string shown = absl::FormatDuration(interval);
  return Error(Reason::kINTERVAL_INVALID,
               absl::StrCat("sample_interval ", shown, ": use 0 (default ",
                            absl::FormatDuration(kDefaultInterval), ") or ",
                            absl::FormatDuration(kShortestInterval), " to ",
                            absl::FormatDuration(kLongestInterval)),
               {{"value", shown}}, "sample_interval");
}

absl::Status ShuttingDown() {
  return Error(Reason::kSHUTTING_DOWN, "the host is stopping; watch again when it is back");
}

// A watch that is over before it began.
class RefusedWatch : public grpc::ServerWriteReactor<v1::WatchSocketsResponse> {
 public:
  explicit RefusedWatch(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

// ---- SocketWatch -------------------------------------------------------------

SocketWatch::SocketWatch(WatchSet& set, SampleCursor::Options options, bool once)
    : set_(set), once_(once), cursor_(std::move(options)) {}

void SocketWatch::Offer(std::shared_ptr<const SocketSample> sample) {
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_) ++coalesced_;
    waiting_ = std::move(sample);
  }
  Advance();
}

void SocketWatch::End(grpc::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!end_) end_ = std::move(status);
    waiting_ = nullptr;
  }
  Advance();
}

void SocketWatch::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok && !end_) end_ = grpc::Status::CANCELLED;
    if (once_ && !cursor_.has_next() && !end_) end_ = grpc::Status::OK;
  }
  Advance();
}

void SocketWatch::OnCancel() { End(grpc::Status::CANCELLED); }

void SocketWatch::OnDone() {
  set_.Remove(this);
  self_ = nullptr;  // may destroy this
}

void SocketWatch::Advance() {
  std::optional<grpc::Status> finish;
  {
    absl::MutexLock lock(&mutex_);
    if (writing_ || finished_) return;
    if (end_) {
      finished_ = true;
      finish = end_;
    } else {
      if (!cursor_.has_next()) {
        if (!waiting_) return;
        cursor_.Begin(std::exchange(waiting_, nullptr));
      }
      message_.Clear();
      cursor_.Next(coalesced_, message_);
      writing_ = true;
    }
  }
  if (finish) {
    Finish(*finish);
  } else {
    StartWrite(&message_);
  }
}

// ---- WatchSet ----------------------------------------------------------------

WatchSet::WatchSet(const ServiceHost& host, TaskThread& tasks, size_t limit,
                   std::string instance_id)
    : host_(host), tasks_(tasks), limit_(limit), instance_id_(std::move(instance_id)) {}

grpc::ServerWriteReactor<v1::WatchSocketsResponse>* WatchSet::Start(
    const v1::WatchSocketsRequest& request) {
  const absl::StatusOr<absl::Duration> interval = ParseInterval(request);
  if (!interval.ok()) return new RefusedWatch(interval.status());
  absl::StatusOr<SocketFilter> filter = SocketFilter::Parse(request.filter());
  if (!filter.ok()) return new RefusedWatch(filter.status());
  const bool once = request.mode() == v1::WatchSocketsRequest::ONCE;
  auto watch = std::make_shared<SocketWatch>(
      *this, SampleCursor::Options{*std::move(filter), request.suppress_redundant(), instance_id_},
      once);
  if (absl::Status status = Add(watch, once ? absl::ZeroDuration() : *interval); !status.ok()) {
    return new RefusedWatch(status);
  }
  watch->HoldUntilDone(watch);
  tasks_.Run([this, watch] { watch->Offer(TakeSample(host_)); });
  return watch.get();
}

absl::Status WatchSet::Add(const std::shared_ptr<SocketWatch>& watch, absl::Duration interval) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return ShuttingDown();
  size_t used = 0;
  for (const auto& [unused, group] : groups_) used += group.size();
  if (used >= limit_) {
    return Error(
        Reason::kWATCH_LIMIT,
        absl::StrCat("all ", limit_, " watches are used; end some, or raise --max-watches"),
        {{"limit", absl::StrCat(limit_)},
         {"used", absl::StrCat(used)},
         {"setting", "--max-watches"}});
  }
  const auto [group, is_new] = groups_.try_emplace(interval);
  group->second.push_back(watch);
  const bool needs_sampler = is_new && interval > absl::ZeroDuration();
  if (needs_sampler) tasks_.RunAfter(interval, [this, interval] { Tick(interval); });
  return absl::OkStatus();
}

void WatchSet::Remove(const SocketWatch* watch) {
  absl::MutexLock lock(&mutex_);
  for (auto& [interval, group] : groups_) {
    std::erase_if(group, [watch](const auto& other) { return other.get() == watch; });
  }
}

void WatchSet::Tick(absl::Duration interval) {
  Group group;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = groups_.find(interval);
    if (found->second.empty() || stopping_) {
      groups_.erase(found);
      return;
    }
    group = found->second;
  }
  tasks_.RunAfter(interval, [this, interval] { Tick(interval); });
  const std::shared_ptr<const SocketSample> sample = TakeSample(host_);
  for (const std::shared_ptr<SocketWatch>& watch : group) watch->Offer(sample);
}

void WatchSet::Stop() {
  Group all;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [interval, group] : groups_) all.insert(all.end(), group.begin(), group.end());
  }
  for (const std::shared_ptr<SocketWatch>& watch : all) watch->End(ToGrpcStatus(ShuttingDown()));
}

size_t WatchSet::size() const {
  absl::MutexLock lock(&mutex_);
  size_t used = 0;
  for (const auto& [interval, group] : groups_) used += group.size();
  return used;
}

}  // namespace sockhost
