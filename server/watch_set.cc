#include "watch_set.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "grpc_status.h"
#include "logging.h"
#include "monotonic_time.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// A reader may let ten of them pass with one message: the contract's 10 s.
constexpr absl::Duration kPatrolInterval = absl::Seconds(1);
constexpr int kMostPatrols = 10;
// Encoded samples that are kept for readers who are on the way through: of all views
// together, or the newest alone.
constexpr size_t kMostHeldBytes = size_t{16} << 20;
// Watches that viewers leave to operators, so that these can look when all others are used; not
// of a limit so low that nothing is left.
constexpr size_t kReserved = 2;
constexpr size_t kLeastWithReserve = 8;
// At most so often is said that samples come late.
constexpr absl::Duration kLateLogInterval = absl::Minutes(1);

absl::Status ShuttingDown() {
  return Error(Reason::kSHUTTING_DOWN, "the host is stopping; watch again when it is back");
}

absl::Status RoleIsGone() {
  return Error(Reason::kROLE_REQUIRED,
               "watching needs the role viewer: since the stream was asked for the roles have "
               "changed, or the certificate was revoked",
               {{"required_role", std::string(RoleName(AdminRole::kViewer))},
                {"role", std::string(RoleName(AdminRole::kNone))}});
}

// A watch that is over before it began.
class RefusedWatch : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedWatch(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

// Keeps the bytes of a view while its watches are offered them.
class HeldView {
 public:
  explicit HeldView(SocketView& view) : view_(view) { view_.Hold(); }
  ~HeldView() { view_.Release(); }
  HeldView(const HeldView&) = delete;
  HeldView& operator=(const HeldView&) = delete;

 private:
  SocketView& view_;
};

}  // namespace

WatchSet::WatchSet(const ServiceHost& host, TaskThread& tasks, size_t limit,
                   std::string instance_id, CutOff cut_off, RoleOf role_of)
    : host_(host),
      tasks_(tasks),
      limit_(limit),
      instance_id_(std::move(instance_id)),
      cut_off_(std::move(cut_off)),
      role_of_(std::move(role_of)),
      events_(host.events(), tasks, instance_id_) {}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchSet::Start(const v1::WatchSocketsRequest& request,
                                                            StreamReader reader) {
  const absl::StatusOr<WatchOptions> options = ParseWatchOptions(request);
  if (!options.ok()) return new RefusedWatch(ToGrpcStatus(options.status()));
  const absl::StatusOr<std::shared_ptr<SocketWatch>> watch = Add(*options, std::move(reader));
  if (!watch.ok()) return new RefusedWatch(ToGrpcStatus(watch.status()));
  return watch->get();
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchSet::StartEvents(
    const v1::WatchEventsRequest& request, StreamReader reader) {
  // Kept until the watch is counted: so the limit holds.
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckLocked(reader); !status.ok()) return EventWatchSet::Refuse(status);
  BeginPatrolsLocked();
  return events_.Start(request, std::move(reader));
}

absl::Status WatchSet::CheckLocked(const StreamReader& reader) const {
  if (stopping_) return ShuttingDown();
  // It may have gone since the call was checked: CheckRoles, if it was before this, has not seen
  // the watch.
  const AdminRole role = RoleNow(reader);
  if (role < AdminRole::kViewer) return RoleIsGone();
  const size_t used = size_ + events_.size();
  const size_t limit = LimitOf(role);
  if (used < limit) return absl::OkStatus();
  const absl::string_view others = limit < limit_ ? ", the rest is kept for operators" : "";
  return Error(
      Reason::kWATCH_LIMIT,
      absl::StrCat("all ", limit, " watches are used", others,
                   "; end some, or raise --max-watches"),
      {{"limit", absl::StrCat(limit)}, {"used", absl::StrCat(used)}, {"setting", "--max-watches"}});
}

absl::StatusOr<std::shared_ptr<SocketWatch>> WatchSet::Add(const WatchOptions& options,
                                                           StreamReader reader) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckLocked(reader); !status.ok()) return status;
  const absl::Duration interval = options.interval;
  const auto [group, is_new] = groups_.try_emplace(interval);
  ViewWatches& of_view = group->second.views[options.view_key];
  if (!of_view.view) of_view.view = std::make_shared<SocketView>(options.filter, options.mask);
  auto watch = std::make_shared<SocketWatch>(*this, options, of_view.view, std::move(reader));
  watch->HoldUntilDone(watch);
  of_view.watches.push_back(watch);
  WantLocked(watch);
  ++size_;
  if (is_new && !options.once()) TickLaterLocked(interval, interval);
  // One that ends with its first sample is never silent.
  const bool beats = options.heartbeat > absl::ZeroDuration() && !options.once();
  if (beats) BeatLaterLocked(watch, options.heartbeat);
  BeginPatrolsLocked();
  return watch;
}

void WatchSet::Remove(const SocketWatch* watch) {
  const auto is_it = [watch](const auto& other) { return other.get() == watch; };
  absl::MutexLock lock(&mutex_);
  --size_;
  // What waits for its time holds memory of the watch, for as long as an hour.
  if (const auto beat = beats_.extract(watch)) tasks_.Cancel(beat.mapped());
  std::erase_if(wanting_, is_it);
  for (auto group = groups_.begin(); group != groups_.end();) {
    auto& [views, tick] = group->second;
    for (auto of_view = views.begin(); of_view != views.end();) {
      Watches& watches = of_view->second.watches;
      std::erase_if(watches, is_it);
      of_view = watches.empty() ? views.erase(of_view) : std::next(of_view);
    }
    const bool is_over = views.empty() && tick && tasks_.Cancel(*tick);
    group = is_over ? groups_.erase(group) : std::next(group);
  }
}

// ---- Samples -----------------------------------------------------------------

void WatchSet::Want(std::shared_ptr<SocketWatch> watch) {
  absl::MutexLock lock(&mutex_);
  WantLocked(std::move(watch));
}

void WatchSet::WantLocked(std::shared_ptr<SocketWatch> watch) {
  wanting_.push_back(std::move(watch));
  if (wanting_.size() == 1) tasks_.Run([this] { ServeWanting(); });
}

void WatchSet::ServeWanting() {
  std::map<SocketView*, ViewWatches> by_view;
  {
    absl::MutexLock lock(&mutex_);
    for (std::shared_ptr<SocketWatch>& watch : std::exchange(wanting_, {})) {
      ViewWatches& of_view = by_view[watch->view().get()];
      of_view.view = watch->view();
      of_view.watches.push_back(std::move(watch));
    }
  }
  Round round;
  for (auto& [unused, of_view] : by_view) round.views.push_back(std::move(of_view));
  Begin(std::move(round));
}

void WatchSet::TickLaterLocked(absl::Duration interval, absl::Duration delay) {
  groups_[interval].tick = tasks_.RunAfter(delay, [this, interval] { Tick(interval); });
}

void WatchSet::Tick(absl::Duration interval) {
  Round round;
  round.interval = interval;
  round.begin = MonotonicTime();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = groups_.find(interval);
    found->second.tick.reset();
    if (found->second.views.empty() || stopping_) {
      groups_.erase(found);
      return;
    }
    for (const auto& [key, of_view] : found->second.views) round.views.push_back(of_view);
  }
  Begin(std::move(round));
}

void WatchSet::Begin(Round round) {
  if (round.views.empty()) return;
  rounds_.push_back(std::move(round));
  if (rounds_.size() == 1) tasks_.Run([this] { ServeNext(); });
}

void WatchSet::ServeNext() {
  Round& round = rounds_.front();
  Serve(round, round.views.back());
  BoundHeld(round.views.back().view);
  round.views.pop_back();
  if (round.views.empty()) {
    End(round);
    rounds_.pop_front();
  }
  if (!rounds_.empty()) tasks_.Run([this] { ServeNext(); });
}

void WatchSet::Serve(Round& round, const ViewWatches& of_view) {
  const bool is_wanted = round.interval == absl::ZeroDuration();
  const bool is_of_use =
      is_wanted || std::any_of(of_view.watches.begin(), of_view.watches.end(),
                               [](const auto& watch) { return !watch->IsWriting(); });
  const HeldView held(*of_view.view);
  if (is_of_use) {
    if (!round.sample) round.sample = TakeSample(host_);
    of_view.view->Update(*round.sample);
  } else {
    // A reader that has stopped must not keep a large sample alive. When it reads
    // on it wants a new one.
    of_view.view->Drop();
  }
  for (const std::shared_ptr<SocketWatch>& watch : of_view.watches) {
    is_wanted ? watch->Continue() : watch->Offer();
  }
}

// A view whose bytes are dropped is encoded anew when its reader goes on: what slow readers
// can cost is time of this thread, not memory.
void WatchSet::BoundHeld(const std::shared_ptr<SocketView>& served) {
  std::erase_if(held_, [&](const auto& view) { return view == served || view->held_bytes() == 0; });
  if (served->held_bytes() > 0) held_.push_back(served);
  size_t bytes = 0;
  for (const auto& view : held_) bytes += view->held_bytes();
  while (bytes > kMostHeldBytes && held_.size() > 1) {
    bytes -= std::min(bytes, held_.front()->held_bytes());
    held_.front()->Drop();
    held_.pop_front();
  }
  held_bytes_ = bytes;
}

// The sampler does not come again before its round is over: behind everything that has
// become due meanwhile.
void WatchSet::End(const Round& round) {
  const absl::Duration interval = round.interval;
  if (interval == absl::ZeroDuration()) return;
  const absl::Duration now = MonotonicTime();
  const absl::Duration took = now - round.begin;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = groups_.find(interval);
    if (found->second.views.empty()) {
      groups_.erase(found);
    } else {
      TickLaterLocked(interval, interval - took);
    }
  }
  if (took < 2 * interval || now - told_late_ < kLateLogInterval) return;
  told_late_ = now;
  LogLine(LogLevel::kWarning,
          "watches ask for more than one thread can do: samples come later than asked",
          {{"interval", absl::FormatDuration(interval)}, {"took", absl::FormatDuration(took)}});
}

// ---- Time --------------------------------------------------------------------

void WatchSet::BeatLaterLocked(const std::shared_ptr<SocketWatch>& watch, absl::Duration delay) {
  beats_[watch.get()] = tasks_.RunAfter(delay, [this, weak = std::weak_ptr(watch)] {
    if (const std::shared_ptr<SocketWatch> alive = weak.lock()) Beat(alive);
  });
}

void WatchSet::Beat(const std::shared_ptr<SocketWatch>& watch) {
  const absl::Duration delay = watch->Beat();
  absl::MutexLock lock(&mutex_);
  // Else it has ended: so has the need for heartbeats.
  if (beats_.count(watch.get()) > 0) BeatLaterLocked(watch, delay);
}

void WatchSet::BeginPatrolsLocked() {
  if (!std::exchange(patrols_, true)) tasks_.RunAfter(kPatrolInterval, [this] { Patrol(); });
}

void WatchSet::Patrol() {
  // Whoever is not through with a sample by now gets the rest from a newer one.
  for (const std::shared_ptr<SocketView>& view : held_) view->Drop();
  held_.clear();
  held_bytes_ = 0;
  Watches all;
  {
    absl::MutexLock lock(&mutex_);
    patrols_ = size_ + events_.size() > 0 && !stopping_;
    if (!patrols_) return;
    all = AllLocked();
  }
  tasks_.RunAfter(kPatrolInterval, [this] { Patrol(); });
  for (const std::shared_ptr<SocketWatch>& watch : all) {
    if (watch->CountPatrols() > kMostPatrols) cut_off_(watch->reader().connection);
  }
  for (const std::string& peer : events_.Patrol(kMostPatrols)) cut_off_(peer);
}

AdminRole WatchSet::RoleNow(const StreamReader& reader) const {
  return reader.peer ? role_of_(*reader.peer) : AdminRole::kNone;
}

size_t WatchSet::LimitOf(AdminRole role) const {
  const bool has_all = role >= AdminRole::kOperator || limit_ <= kLeastWithReserve;
  return has_all ? limit_ : limit_ - kReserved;
}

void WatchSet::CheckRoles() {
  const auto may_watch = [this](const StreamReader& reader) {
    return RoleNow(reader) >= AdminRole::kViewer;
  };
  const grpc::Status status = ToGrpcStatus(RoleIsGone());
  Watches unwanted;
  {
    absl::MutexLock lock(&mutex_);
    unwanted = AllLocked();
    std::erase_if(unwanted, [&](const auto& watch) { return may_watch(watch->reader()); });
  }
  for (const std::shared_ptr<SocketWatch>& watch : unwanted) watch->End(status);
  const size_t ended = unwanted.size() + events_.EndUnwanted(may_watch, status);
  if (ended == 0) return;
  LogLine(LogLevel::kWarning, "streams end: their readers have lost the role",
          {{"streams", ended}});
}

void WatchSet::Stop() {
  Watches all;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    all = AllLocked();
  }
  for (const std::shared_ptr<SocketWatch>& watch : all) watch->End(ToGrpcStatus(ShuttingDown()));
  events_.Stop(ToGrpcStatus(ShuttingDown()));
}

WatchSet::Watches WatchSet::AllLocked() const {
  Watches all;
  for (const auto& [interval, group] : groups_) {
    for (const auto& [key, of_view] : group.views) {
      all.insert(all.end(), of_view.watches.begin(), of_view.watches.end());
    }
  }
  return all;
}

size_t WatchSet::size() const {
  absl::MutexLock lock(&mutex_);
  return size_ + events_.size();
}

}  // namespace sockhost
