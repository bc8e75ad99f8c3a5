#include "sample_cursor.h"

#include <utility>

#include "proto_encoding.h"
#include "resource_name.h"

namespace sockhost {
namespace {

// A message stays under 256 KiB: the last socket that is added has at most the
// difference.
constexpr size_t kFullMessage = 250 * 1024;

// What a reader would see: everything that is encoded.
bool LooksTheSame(const SocketSnapshot& a, const SocketSnapshot& b) {
  return a.events == b.events && a.masked == b.masked && a.counters == b.counters &&
         a.local == b.local && a.remote == b.remote;
}

}  // namespace

void SampleCursor::Begin(std::shared_ptr<const SocketSample> sample) {
  current_ = std::move(sample);
  shown_index_ = current_index_ = 0;
}

void SampleCursor::AddSocket(const SocketSnapshot& socket, const SocketSnapshot* before,
                             v1::WatchSocketsResponse& message, size_t& size) {
  if (!options_.filter.Matches(socket)) {
    // It may have matched before; then it is gone for this reader.
    if (before && options_.filter.Matches(*before)) AddRemoved(socket, message, size);
    return;
  }
  const bool was_shown = before && options_.filter.Matches(*before);
  if (options_.suppress_redundant && was_shown && LooksTheSame(socket, *before)) return;
  v1::Socket* out = message.add_sockets();
  Encode(socket, *out);
  size += out->ByteSizeLong() + 4;
}

void SampleCursor::AddRemoved(const SocketSnapshot& socket, v1::WatchSocketsResponse& message,
                              size_t& size) {
  std::string* name = message.add_removed();
  *name = SocketName(socket.id);
  size += name->size() + 2;
}

// Both samples are in the order of ids: one step takes the smaller id.
bool SampleCursor::NextStep(v1::WatchSocketsResponse& message, size_t& size) {
  const SocketSnapshot* before =
      shown_ && shown_index_ < shown_->sockets.size() ? &shown_->sockets[shown_index_] : nullptr;
  const SocketSnapshot* now =
      current_index_ < current_->sockets.size() ? &current_->sockets[current_index_] : nullptr;
  if (!before && !now) return false;
  if (before && (!now || before->id < now->id)) {
    ++shown_index_;
    if (options_.filter.Matches(*before)) AddRemoved(*before, message, size);
    return true;
  }
  const bool both = before && before->id == now->id;
  AddSocket(*now, both ? before : nullptr, message, size);
  if (both) ++shown_index_;
  ++current_index_;
  return true;
}

void SampleCursor::Next(int64_t coalesced, v1::WatchSocketsResponse& message) {
  message.set_instance_id(options_.instance_id);
  message.set_sequence(++sequence_);
  EncodeTime(current_->time_nanos, *message.mutable_sample_time());
  message.set_coalesced(coalesced);
  size_t size = 0;
  bool more = true;
  while (size < kFullMessage && (more = NextStep(message, size))) {
  }
  message.set_more(more);
  if (more) return;
  message.set_sync(!std::exchange(synced_, true));
  shown_ = std::move(current_);
  current_ = nullptr;
}

}  // namespace sockhost
