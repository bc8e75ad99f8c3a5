#include "view_cursor.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "resource_name.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost {
namespace {

using google::protobuf::internal::WireFormatLite;

// The contract's 256 KiB, less what the rest of a message and the last socket that
// is added can need.
constexpr size_t kFullPart = 250 * 1024;
// Shorter runs of bytes are copied: a slice costs as much.
constexpr size_t kLeastShared = 2048;

constexpr char kRemovedTag = WireFormatLite::MakeTag(v1::WatchSocketsResponse::kRemovedFieldNumber,
                                                     WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

}  // namespace

// Collects one part.
class ViewCursor::Walk {
 public:
  Walk(const ViewFrame& frame, bool only_changed, const std::vector<Range>& seen, SocketId after)
      : frame_(frame), only_changed_(only_changed), seen_(seen) {
    const auto id_above = [](SocketId id, const auto& entry) { return id < entry.id; };
    entry_ = static_cast<size_t>(
        std::upper_bound(Entries().begin(), Entries().end(), after, id_above) - Entries().begin());
    gone_ = static_cast<size_t>(
        std::upper_bound(frame.gone->begin(), frame.gone->end(), after, id_above) -
        frame.gone->begin());
  }

  // Takes ids until the part is full. Returns the last, or nothing at the end.
  std::optional<SocketId> Run(std::vector<grpc::Slice>& fields) {
    SocketId last = 0;
    while (!AtEnd() && size_ < kFullPart) last = Step(fields);
    EndRun(fields);
    if (!copied_.empty()) fields.emplace_back(copied_.data(), copied_.size());
    if (AtEnd()) return std::nullopt;
    return last;
  }

 private:
  const std::vector<ViewFrame::Entry>& Entries() const { return *frame_.entries; }
  bool AtEnd() const { return entry_ == Entries().size() && gone_ == frame_.gone->size(); }

  // Takes one id: as a socket, and as often as it went.
  SocketId Step(std::vector<grpc::Slice>& fields) {
    const SocketId entry = entry_ < Entries().size() ? Entries()[entry_].id : INT64_MAX;
    const SocketId gone = gone_ < frame_.gone->size() ? (*frame_.gone)[gone_].id : INT64_MAX;
    const SocketId id = std::min(entry, gone);
    const ViewVersion seen = SeenAt(id);
    for (; gone_ < frame_.gone->size() && (*frame_.gone)[gone_].id == id; ++gone_) {
      const ViewFrame::Gone& was = (*frame_.gone)[gone_];
      const bool is_back = entry == id;
      if (!is_back && was.since <= seen && was.gone > seen) AddRemoved(id);
    }
    if (entry == id) {
      if (!only_changed_ || Entries()[entry_].changed > seen) AddSocket(entry_, fields);
      ++entry_;
    }
    return id;
  }

  // Ids only grow, so the ranges are gone through once.
  ViewVersion SeenAt(SocketId id) {
    while (range_ < seen_.size() && seen_[range_].last < id) ++range_;
    return range_ < seen_.size() ? seen_[range_].version : 0;
  }

  void AddSocket(size_t index, std::vector<grpc::Slice>& fields) {
    const ViewFrame::Entry& entry = Entries()[index];
    const uint32_t end = frame_.EndOf(index);
    if (run_end_ != entry.begin || run_chunk_ != entry.chunk) {
      EndRun(fields);
      run_chunk_ = entry.chunk;
      run_begin_ = entry.begin;
    }
    run_end_ = end;
    size_ += end - entry.begin;
  }

  void EndRun(std::vector<grpc::Slice>& fields) {
    if (run_end_ == run_begin_) return;
    const grpc::Slice& chunk = frame_.chunks[run_chunk_];
    if (run_end_ - run_begin_ >= kLeastShared) {
      fields.push_back(chunk.sub(run_begin_, run_end_));
    } else {
      copied_.append(reinterpret_cast<const char*>(chunk.begin()) + run_begin_,
                     run_end_ - run_begin_);
    }
    run_begin_ = run_end_ = 0;
  }

  void AddRemoved(SocketId id) {
    const std::string name = SocketName(id);
    copied_ += kRemovedTag;
    copied_ += static_cast<char>(name.size());  // below 128: one byte
    copied_ += name;
    size_ += name.size() + 2;
  }

  const ViewFrame& frame_;
  const bool only_changed_;
  const std::vector<Range>& seen_;
  size_t entry_ = 0;
  size_t gone_ = 0;
  size_t range_ = 0;
  size_t size_ = 0;
  // Bytes of one chunk that follow one another.
  uint32_t run_chunk_ = 0;
  uint32_t run_begin_ = 0;
  uint32_t run_end_ = 0;
  std::string copied_;
};

void ViewCursor::Skip(const ViewFrame& frame) { seen_ = {{INT64_MAX, frame.version}}; }

void ViewCursor::Begin() {
  in_sweep_ = true;
  swept_.clear();
}

ViewVersion ViewCursor::OldestSeen() const {
  ViewVersion oldest = UINT32_MAX;
  const SocketId after = swept_.empty() ? 0 : swept_.back().last;
  for (const Range& range : seen_) {
    if (range.last > after) oldest = std::min(oldest, range.version);
  }
  return oldest;
}

ViewCursor::Part ViewCursor::Next(const ViewFrame& frame) {
  Part part;
  if (OldestSeen() < frame.forgotten) {
    part.reset = true;
    seen_.clear();
    swept_.clear();
  }
  const SocketId after = swept_.empty() ? 0 : swept_.back().last;
  const std::optional<SocketId> last = Walk(frame, only_changed_, seen_, after).Run(part.fields);
  part.more = last.has_value();
  const SocketId end = last.value_or(INT64_MAX);
  if (!swept_.empty() && swept_.back().version == frame.version) {
    swept_.back().last = end;
  } else {
    swept_.push_back({end, frame.version});
  }
  if (!part.more) {
    seen_ = std::exchange(swept_, {});
    in_sweep_ = false;
  }
  return part;
}

}  // namespace sockhost
