#include "sockhost/event_ring.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "absl/time/clock.h"
#include "mutex.h"

namespace sockhost {

// Behind a pointer, so that the annotated mutex is no part of the public API.
struct EventRing::State {
  // Events are allocated in blocks when they are first needed: an idle host pays
  // for few.
  static constexpr size_t kBlock = 256;

  int64_t First() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const int64_t kept = static_cast<int64_t>(capacity);
    return std::max<int64_t>(1, last.load(std::memory_order_relaxed) - kept + 1);
  }

  HostEvent& At(int64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const size_t index = static_cast<size_t>(sequence - 1) % capacity;
    std::unique_ptr<HostEvent[]>& block = blocks[index / kBlock];
    if (!block) block = std::make_unique<HostEvent[]>(std::min(kBlock, capacity));
    return block[index % kBlock];
  }

  // The place of the next event was last touched a whole ring ago: loads it into the cache
  // while other things are done. Behind a block's end it loads what nobody asks for.
  static void PrefetchNext(const HostEvent& event) {
    const char* const next = reinterpret_cast<const char*>(&event + 1);
    for (size_t i = 0; i < sizeof(HostEvent); i += 64) __builtin_prefetch(next + i, 1);
  }

  Mutex mutex;
  size_t capacity ABSL_GUARDED_BY(mutex) = 0;
  std::vector<std::unique_ptr<HostEvent[]>> blocks ABSL_GUARDED_BY(mutex);
  // Written under the mutex.
  std::atomic<int64_t> last{0};
  std::atomic<int64_t> lost{0};
};

EventRing::EventRing() : state_(std::make_unique<State>()) { SetCapacity(kDefaultCapacity); }

EventRing::~EventRing() = default;

void EventRing::SetCapacity(size_t capacity) {
  MutexLock lock(state_->mutex);
  std::vector<HostEvent> kept;
  const int64_t last = state_->last.load(std::memory_order_relaxed);
  if (last > 0) {
    for (int64_t i = state_->First(); i <= last; ++i) kept.push_back(std::move(state_->At(i)));
  }
  state_->capacity = std::max<size_t>(capacity, 1);
  state_->blocks.clear();
  state_->blocks.resize((state_->capacity + State::kBlock - 1) / State::kBlock);
  for (HostEvent& event : kept) {
    if (event.sequence >= state_->First()) state_->At(event.sequence) = std::move(event);
  }
}

void EventRing::Add(HostEvent&& event) {
  MutexLock lock(state_->mutex);
  const int64_t sequence = state_->last.load(std::memory_order_relaxed) + 1;
  event.sequence = sequence;
  if (event.time_nanos == 0) event.time_nanos = absl::GetCurrentTimeNanos();
  HostEvent& place = state_->At(sequence);
  place = std::move(event);
  State::PrefetchNext(place);
  state_->last.store(sequence, std::memory_order_release);
}

void EventRing::Record(absl::FunctionRef<HostEvent()> make) {
  try {
    Add(make());
  } catch (const std::bad_alloc&) {
    state_->lost.fetch_add(1, std::memory_order_relaxed);
  }
}

int64_t EventRing::lost() const { return state_->lost.load(std::memory_order_relaxed); }

EventRing::Batch EventRing::Read(int64_t sequence) const {
  Batch batch;
  batch.events.reserve(kMostAtOnce);
  MutexLock lock(state_->mutex);
  batch.last = state_->last.load(std::memory_order_relaxed);
  batch.first = state_->First();
  if (sequence < batch.first) return batch;
  const int64_t end = std::min(batch.last, sequence + static_cast<int64_t>(kMostAtOnce) - 1);
  for (; sequence <= end; ++sequence) batch.events.push_back(state_->At(sequence));
  return batch;
}

int64_t EventRing::last() const { return state_->last.load(std::memory_order_acquire); }

}  // namespace sockhost
