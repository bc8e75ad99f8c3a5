#include "socket_view.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "proto_encoding.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost {
namespace {

using google::protobuf::internal::WireFormatLite;

// Two of them, cut at both ends of a message, are what a message in flight can
// keep in memory beside its own bytes.
constexpr size_t kChunkBytes = 32 * 1024;

// Sockets that went in the last few samples are all known: readers that keep up
// need them. Of those that went earlier so many are.
constexpr ViewVersion kRecentVersions = 4;
constexpr size_t kMostOldGone = 1024;

constexpr uint32_t kSocketsTag = WireFormatLite::MakeTag(
    v1::WatchSocketsResponse::kSocketsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

// One message of a repeated field, as it stands in the bytes of its parent.
void AppendField(uint32_t tag, const google::protobuf::MessageLite& message, std::string& out) {
  const size_t size = message.ByteSizeLong();
  uint8_t head[2 * 5];
  uint8_t* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(tag, head);
  end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size),
                                                                      end);
  out.append(reinterpret_cast<const char*>(head), static_cast<size_t>(end - head));
  const size_t begin = out.size();
  out.resize(begin + size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out.data() + begin));
}

}  // namespace

uint32_t ViewFrame::EndOf(size_t index) const {
  const Entry& entry = (*entries)[index];
  const bool is_last = index + 1 == entries->size() || (*entries)[index + 1].chunk != entry.chunk;
  return is_last ? static_cast<uint32_t>(chunks[entry.chunk].size()) : (*entries)[index + 1].begin;
}

// Goes through the old frame and the sample side by side, both in the order of ids.
class SocketView::Builder {
 public:
  Builder(const SocketView& view, const ViewFrame& before)
      : view_(view), before_(before), frame_(std::make_shared<ViewFrame>()) {
    frame_->version = before.version + 1;
    frame_->has_bytes = true;
    entries_.reserve(before.entries->size() + before.entries->size() / 8);
    bytes_.reserve(kChunkBytes + 1024);
  }

  std::shared_ptr<const ViewFrame> Build(const SocketSample& sample) {
    frame_->time_nanos = sample.time_nanos;
    for (const SocketSnapshot& socket : sample.sockets) {
      SkipTo(socket.id);
      Add(socket);
    }
    SkipTo(INT64_MAX);
    CloseChunk();
    frame_->entries = std::make_shared<const std::vector<ViewFrame::Entry>>(std::move(entries_));
    KeepGone();
    return frame_;
  }

 private:
  // What stood before `id` in the old frame and was not met in the sample is gone.
  void SkipTo(SocketId id) {
    for (; next_ < before_.entries->size() && (*before_.entries)[next_].id < id; ++next_) {
      Leave((*before_.entries)[next_]);
    }
  }

  void Leave(const ViewFrame::Entry& entry) {
    gone_.push_back({entry.id, entry.since, frame_->version});
  }

  void Add(const SocketSnapshot& socket) {
    const ViewFrame::Entry* old = nullptr;
    if (next_ < before_.entries->size() && (*before_.entries)[next_].id == socket.id) {
      old = &(*before_.entries)[next_++];
    }
    if (!view_.filter_.Matches(socket)) {
      if (old) Leave(*old);
      return;
    }
    ViewFrame::Entry entry;
    entry.id = socket.id;
    entry.chunk = static_cast<uint32_t>(frame_->chunks.size());
    entry.begin = static_cast<uint32_t>(bytes_.size());
    message_.Clear();
    Encode(socket, message_);
    view_.mask_.Trim(message_);
    AppendField(kSocketsTag, message_, bytes_);
    entry.hash = absl::HashOf(absl::string_view(bytes_).substr(entry.begin));
    const bool same = old && old->hash == entry.hash;
    entry.changed = same ? old->changed : frame_->version;
    entry.since = old ? old->since : frame_->version;
    entries_.push_back(entry);
    if (bytes_.size() >= kChunkBytes) CloseChunk();
  }

  void CloseChunk() {
    if (bytes_.empty()) return;
    frame_->chunks.emplace_back(bytes_.data(), bytes_.size());
    frame_->size += bytes_.size();
    bytes_.clear();
  }

  // Merges what went now with what went before, and forgets the oldest.
  void KeepGone() {
    const auto is_old = [this](const ViewFrame::Gone& gone) {
      return gone.gone + kRecentVersions <= frame_->version;
    };
    frame_->forgotten = before_.forgotten;
    std::vector<ViewVersion> old;
    for (const ViewFrame::Gone& gone : *before_.gone) {
      if (is_old(gone)) old.push_back(gone.gone);
    }
    if (old.size() > kMostOldGone) {
      const auto last_forgotten = old.end() - kMostOldGone - 1;
      std::nth_element(old.begin(), last_forgotten, old.end());
      frame_->forgotten = std::max(frame_->forgotten, *last_forgotten);
    }
    auto all = std::make_shared<std::vector<ViewFrame::Gone>>();
    all->reserve(before_.gone->size() + gone_.size());
    std::merge(before_.gone->begin(), before_.gone->end(), gone_.begin(), gone_.end(),
               std::back_inserter(*all), [](const auto& a, const auto& b) { return a.id < b.id; });
    std::erase_if(*all,
                  [this](const ViewFrame::Gone& gone) { return gone.gone <= frame_->forgotten; });
    frame_->gone = std::move(all);
  }

  const SocketView& view_;
  const ViewFrame& before_;
  const std::shared_ptr<ViewFrame> frame_;
  std::vector<ViewFrame::Entry> entries_;
  std::vector<ViewFrame::Gone> gone_;
  std::string bytes_;
  v1::Socket message_;
  size_t next_ = 0;
};

SocketView::SocketView(SocketFilter filter, ReadMask mask)
    : filter_(std::move(filter)), mask_(std::move(mask)) {
  auto empty = std::make_shared<ViewFrame>();
  empty->entries = std::make_shared<const std::vector<ViewFrame::Entry>>();
  empty->gone = std::make_shared<const std::vector<ViewFrame::Gone>>();
  frame_ = std::move(empty);
}

void SocketView::Update(const SocketSample& sample) {
  const std::shared_ptr<const ViewFrame> before = frame();
  std::shared_ptr<const ViewFrame> next = Builder(*this, *before).Build(sample);
  absl::MutexLock lock(&mutex_);
  frame_ = std::move(next);
  if (holders_ == 0) DropLocked();
}

std::shared_ptr<const ViewFrame> SocketView::frame() const {
  absl::MutexLock lock(&mutex_);
  return frame_;
}

void SocketView::Hold() {
  absl::MutexLock lock(&mutex_);
  ++holders_;
}

void SocketView::Release() {
  absl::MutexLock lock(&mutex_);
  if (--holders_ == 0) DropLocked();
}

void SocketView::Drop() {
  absl::MutexLock lock(&mutex_);
  DropLocked();
}

size_t SocketView::held_bytes() const {
  absl::MutexLock lock(&mutex_);
  return frame_->size;
}

void SocketView::DropLocked() {
  if (!frame_->has_bytes) return;
  auto bare = std::make_shared<ViewFrame>();
  bare->version = frame_->version;
  bare->time_nanos = frame_->time_nanos;
  bare->entries = frame_->entries;
  bare->gone = frame_->gone;
  bare->forgotten = frame_->forgotten;
  frame_ = std::move(bare);
}

}  // namespace sockhost
