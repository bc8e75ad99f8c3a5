#include "socket_watch.h"

#include <utility>
#include <vector>

#include "monotonic_time.h"
#include "proto_encoding.h"
#include "watch_set.h"

namespace sockhost {

SocketWatch::SocketWatch(WatchSet& set, const WatchOptions& options,
                         std::shared_ptr<SocketView> view, StreamReader reader)
    : set_(set),
      once_(options.once()),
      only_changed_(options.only_changed),
      heartbeat_(options.heartbeat),
      view_(std::move(view)),
      reader_(std::move(reader)),
      cursor_(options.only_changed),
      skip_(options.updates_only),
      write_time_(MonotonicTime()) {}

void SocketWatch::Offer() {
  {
    absl::MutexLock lock(&mutex_);
    if (!began_) return;
    if (offered_) ++coalesced_;
    offered_ = true;
    wanting_ = false;
  }
  Advance();
}

void SocketWatch::Continue() {
  {
    absl::MutexLock lock(&mutex_);
    wanting_ = false;
    if (!std::exchange(began_, true)) offered_ = true;
  }
  Advance();
}

void SocketWatch::End(grpc::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!end_) end_ = std::move(status);
  }
  Advance();
}

bool SocketWatch::IsWriting() const {
  absl::MutexLock lock(&mutex_);
  return writing_;
}

int SocketWatch::CountPatrols() {
  absl::MutexLock lock(&mutex_);
  return writing_ ? ++patrols_ : 0;
}

void SocketWatch::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    message_.Clear();
    if (!ok && !end_) end_ = grpc::Status::CANCELLED;
    if (once_ && synced_ && !end_) end_ = grpc::Status::OK;
  }
  Advance();
}

void SocketWatch::OnCancel() { End(grpc::Status::CANCELLED); }

void SocketWatch::OnDone() {
  set_.Remove(this);
  self_ = nullptr;  // may destroy this
}

void SocketWatch::Advance() {
  Step step;
  grpc::Status end;
  {
    absl::MutexLock lock(&mutex_);
    step = NextStepLocked();
    if (step == Step::kFinish) end = *end_;
  }
  switch (step) {
    case Step::kNothing:
      return;
    case Step::kWrite:
      return StartWrite(&message_);
    case Step::kWant:
      return set_.Want(shared_from_this());
    case Step::kFinish:
      return Finish(end);
  }
}

SocketWatch::Step SocketWatch::NextStepLocked() {
  if (writing_ || finished_) return Step::kNothing;
  if (end_) {
    finished_ = true;
    if (cursor_.in_sweep()) view_->Release();
    return Step::kFinish;
  }
  while (cursor_.in_sweep() || offered_) {
    if (wanting_) return Step::kNothing;
    const std::shared_ptr<const ViewFrame> frame = view_->frame();
    if (!frame->has_bytes) {
      wanting_ = true;
      return Step::kWant;
    }
    if (NextPartLocked(*frame) == Step::kWrite) return Step::kWrite;
  }
  return Step::kNothing;
}

SocketWatch::Step SocketWatch::NextPartLocked(const ViewFrame& frame) {
  ViewCursor::Part part;
  if (!cursor_.in_sweep()) offered_ = false;
  if (skip_) {
    skip_ = false;
    cursor_.Skip(frame);
  } else {
    if (!cursor_.in_sweep()) {
      cursor_.Begin();
      view_->Hold();
    }
    part = cursor_.Next(frame);
    if (!cursor_.in_sweep()) view_->Release();
  }
  if (!IsWorthALine(part)) return Step::kNothing;
  v1::WatchSocketsResponse head;
  EncodeTime(frame.time_nanos, *head.mutable_sample_time());
  head.set_more(part.more);
  head.set_reset(part.reset);
  if (!part.more) head.set_sync(!std::exchange(synced_, true));
  continues_ = part.more;
  news_sequence_ = sequence_ + 1;
  WriteLocked(head, std::move(part.fields));
  return Step::kWrite;
}

bool SocketWatch::IsWorthALine(const ViewCursor::Part& part) const {
  return !only_changed_ || !synced_ || continues_ || part.more || part.reset ||
         !part.fields.empty();
}

void SocketWatch::WriteLocked(v1::WatchSocketsResponse& head, std::vector<grpc::Slice> fields) {
  head.set_instance_id(set_.instance_id());
  head.set_sequence(++sequence_);
  if (coalesced_ > told_coalesced_) {
    told_coalesced_ = coalesced_;
    head.mutable_lag()->set_coalesced(coalesced_);
  }
  // Fields of a message may stand in any order: what is shared follows.
  fields.insert(fields.begin(), grpc::Slice(head.SerializeAsString()));
  message_ = grpc::ByteBuffer(fields.data(), fields.size());
  writing_ = true;
  patrols_ = 0;
  write_time_ = MonotonicTime();
}

absl::Duration SocketWatch::Beat() {
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration left = write_time_ + heartbeat_ - MonotonicTime();
    if (left > absl::ZeroDuration()) return left;
    // While something is written or waits for its bytes it is no time of silence.
    const bool is_silent =
        synced_ && !writing_ && !finished_ && !end_ && !offered_ && !cursor_.in_sweep();
    if (!is_silent) return heartbeat_;
    v1::WatchSocketsResponse head;
    EncodeTime(view_->frame()->time_nanos, *head.mutable_sample_time());
    head.mutable_heartbeat()->set_sequence(news_sequence_);
    WriteLocked(head, {});
  }
  StartWrite(&message_);
  return heartbeat_;
}

}  // namespace sockhost
