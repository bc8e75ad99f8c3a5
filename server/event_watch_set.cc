#include "event_watch_set.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "event_token.h"
#include "grpc_status.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(20);

// A watch that is over before it began.
class RefusedWatch : public grpc::ServerWriteReactor<v1::WatchEventsResponse> {
 public:
  explicit RefusedWatch(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

EventWatchSet::EventWatchSet(const EventRing& ring, TaskThread& tasks, std::string instance_id)
    : ring_(ring), tasks_(tasks), instance_id_(std::move(instance_id)) {}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventWatchSet::Refuse(
    const absl::Status& status) {
  return new RefusedWatch(status);
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventWatchSet::Start(
    const v1::WatchEventsRequest& request, StreamReader reader) {
  absl::StatusOr<EventWatchOptions> options = Parse(request);
  if (!options.ok()) return new RefusedWatch(options.status());
  const std::shared_ptr<EventWatch> watch = Add(*std::move(options), std::move(reader));
  // The first message, which comes at once.
  tasks_.Run([watch] { watch->Look(); });
  return watch.get();
}

absl::StatusOr<EventWatchOptions> EventWatchSet::Parse(
    const v1::WatchEventsRequest& request) const {
  absl::StatusOr<EventWatchOptions> options =
      ParseEventWatchOptions(request, instance_id_, ring_.last());
  if (!options.ok() || !options->after) return options;
  const int64_t after = *options->after;
  const int64_t first = ring_.Read(after + 1).first;
  if (after + 1 >= first) return options;
  return Error(Reason::kSEQUENCE_EXPIRED,
               absl::StrCat("events behind number ", after, " are no longer kept, the first is ",
                            first, "; read the state anew and begin without a token"),
               {{"lost", absl::StrCat(first - after - 1)},
                {"resume_token", EventToken(instance_id_, first - 1)}},
               "resume_token");
}

std::shared_ptr<EventWatch> EventWatchSet::Add(EventWatchOptions options, StreamReader reader) {
  auto watch = std::make_shared<EventWatch>(*this, ring_, std::move(options), std::move(reader));
  watch->HoldUntilDone(watch);
  absl::MutexLock lock(&mutex_);
  watches_.push_back(watch);
  if (!std::exchange(looks_, true)) tasks_.RunAfter(kLookInterval, [this] { Look(); });
  return watch;
}

void EventWatchSet::Remove(const EventWatch* watch) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(watches_, [watch](const auto& other) { return other.get() == watch; });
}

void EventWatchSet::Look() {
  Watches all;
  {
    absl::MutexLock lock(&mutex_);
    looks_ = !watches_.empty();
    if (!looks_) return;
    all = watches_;
  }
  tasks_.RunAfter(kLookInterval, [this] { Look(); });
  for (const std::shared_ptr<EventWatch>& watch : all) watch->Look();
}

std::vector<std::string> EventWatchSet::Patrol(int most) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> stuck;
  for (const std::shared_ptr<EventWatch>& watch : watches_) {
    if (watch->CountPatrols() > most) stuck.push_back(watch->reader().connection);
  }
  return stuck;
}

size_t EventWatchSet::EndUnwanted(const std::function<bool(const StreamReader&)>& is_wanted,
                                  const grpc::Status& status) {
  Watches unwanted;
  {
    absl::MutexLock lock(&mutex_);
    std::copy_if(watches_.begin(), watches_.end(), std::back_inserter(unwanted),
                 [&](const auto& watch) { return !is_wanted(watch->reader()); });
  }
  for (const std::shared_ptr<EventWatch>& watch : unwanted) watch->End(status);
  return unwanted.size();
}

void EventWatchSet::Stop(const grpc::Status& status) {
  Watches all;
  {
    absl::MutexLock lock(&mutex_);
    all = watches_;
  }
  for (const std::shared_ptr<EventWatch>& watch : all) watch->EndAfterEvents(status);
}

size_t EventWatchSet::size() const {
  absl::MutexLock lock(&mutex_);
  return watches_.size();
}

}  // namespace sockhost
