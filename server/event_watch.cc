#include "event_watch.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "event_encoding.h"
#include "event_token.h"
#include "event_watch_set.h"
#include "grpc_status.h"
#include "monotonic_time.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// Of events in a message, which has at most 256 KiB with what stands around them. One event has
// less.
constexpr size_t kMostBytes = 255 * 1024;
// Events that one step looks at: a filter that matches nothing must not hold a
// thread of gRPC for the whole ring.
constexpr int kMostLookedAt = 4096;

}  // namespace

EventWatch::EventWatch(EventWatchSet& set, const EventRing& ring, EventWatchOptions options,
                       StreamReader reader)
    : set_(set),
      ring_(ring),
      options_(std::move(options)),
      reader_(std::move(reader)),
      position_(options_.after.value_or(0)),
      seeks_oldest_(!options_.after.has_value()),
      write_time_(MonotonicTime()) {}

void EventWatch::End(grpc::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!end_) end_ = std::move(status);
  }
  Advance();
}

void EventWatch::EndAfterEvents(grpc::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    farewell_ = std::move(status);
  }
  Advance();
}

int EventWatch::CountPatrols() {
  absl::MutexLock lock(&mutex_);
  return writing_ ? ++patrols_ : 0;
}

void EventWatch::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok && !end_) end_ = grpc::Status::CANCELLED;
  }
  Advance();
}

void EventWatch::OnCancel() { End(grpc::Status::CANCELLED); }

void EventWatch::OnDone() {
  set_.Remove(this);
  self_ = nullptr;  // may destroy this
}

void EventWatch::Advance() {
  Step step;
  grpc::Status end;
  {
    absl::MutexLock lock(&mutex_);
    step = NextStepLocked();
    if (step == Step::kFinish) end = *end_;
  }
  if (step == Step::kWrite) StartWrite(&message_);
  if (step == Step::kFinish) Finish(end);
}

EventWatch::Step EventWatch::NextStepLocked() {
  if (writing_ || finished_) return Step::kNothing;
  const bool is_first = sequence_ == 0;
  if (is_first) sync_at_ = ring_.last();
  if (synced_ && options_.once && !end_) end_ = grpc::Status::OK;
  if (!end_) {
    message_.Clear();
    if (absl::Status status = CollectLocked(); !status.ok()) end_ = ToGrpcStatus(status);
  }
  const bool has_all = message_.events_size() == 0 && position_ >= ring_.last();
  if (!end_ && farewell_ && has_all && synced_) end_ = farewell_;
  if (end_) {
    finished_ = true;
    return Step::kFinish;
  }
  const bool beats = options_.heartbeat > absl::ZeroDuration() &&
                     MonotonicTime() - write_time_ >= options_.heartbeat;
  const bool syncs = !synced_ && position_ >= sync_at_;
  if (message_.events_size() == 0 && !is_first && !beats && !syncs) return Step::kNothing;
  message_.set_instance_id(set_.instance_id());
  message_.set_sequence(++sequence_);
  message_.set_resume_token(EventToken(set_.instance_id(), position_));
  message_.set_sync(syncs);
  synced_ |= syncs;
  writing_ = true;
  patrols_ = 0;
  write_time_ = MonotonicTime();
  return Step::kWrite;
}

absl::Status EventWatch::CollectLocked() {
  const int64_t end = options_.once ? sync_at_ : std::numeric_limits<int64_t>::max();
  size_t size = 0;
  for (int looked_at = 0; looked_at < kMostLookedAt && position_ < end;) {
    const EventRing::Batch batch = ring_.Read(position_ + 1);
    const int64_t lost = batch.first - position_ - 1;
    if (lost > 0 && seeks_oldest_) {
      position_ = batch.first - 1;
      continue;
    }
    seeks_oldest_ = false;
    if (lost > 0) {
      // What was collected is sent first; the next step ends the stream.
      if (message_.events_size() > 0) break;
      return Error(Reason::kEVENTS_LOST,
                   "the reader was too slow: events that it has not got are no longer kept; read "
                   "the state anew, raise --event-history, or read faster",
                   {{"lost", absl::StrCat(lost)},
                    {"resume_token", EventToken(set_.instance_id(), batch.first - 1)}});
    }
    if (batch.events.empty()) break;
    looked_at += static_cast<int>(batch.events.size());
    for (const HostEvent& event : batch.events) {
      if (event.sequence > end) break;
      if (options_.filter.Matches(event)) size += Add(event);
      if (size > kMostBytes && message_.events_size() > 1) {
        // The next message begins with it.
        message_.mutable_events()->RemoveLast();
        return absl::OkStatus();
      }
      position_ = event.sequence;
    }
  }
  return absl::OkStatus();
}

size_t EventWatch::Add(const HostEvent& event) {
  v1::Event& out = *message_.add_events();
  Encode(event, out);
  options_.mask.Trim(out);
  return out.ByteSizeLong() + 8;
}

}  // namespace sockhost
