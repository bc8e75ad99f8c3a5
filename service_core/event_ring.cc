#include "sockhost/event_ring.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "absl/time/clock.h"
#include "mutex.h"
#include "name_table.h"
#include "told_listeners.h"

namespace sockhost {
namespace {

// Of events there are as many as connections come and go, and the places in the ring were
// last touched a whole ring ago: what they cost is the memory that each has to fetch. So an
// event has one cache line, that of a closed socket two more, and what is rare stands apart.
constexpr size_t kCacheLine = 64;

struct alignas(kCacheLine) CompactEvent {
  HostEventKind kind : 7 = HostEventKind::kSocketOpened;
  // Its ending has rare counters, which are to be freed.
  bool has_rare : 1 = false;
  Role role = Role::kRegistered;
  Protocol protocol = Protocol::kNone;
  CloseReason close_reason = CloseReason::kNone;
  int fd = -1;
  int64_t time_nanos = 0;
  SocketId id = 0;
  NameTable::Name* service = nullptr;
  NameTable::Name* listener = nullptr;
  SocketAddress remote;
};
static_assert(sizeof(CompactEvent) == kCacheLine);

// What is known of a socket only when it is closed.
struct alignas(kCacheLine) Ending {
  int64_t create_time_nanos = 0;
  CounterValues counters;
};
static_assert(sizeof(Ending) == 2 * kCacheLine);

EventView ViewOf(const HostEvent& event) {
  const SocketFacts& facts = event.socket;
  return {.kind = event.kind,
          .time_nanos = event.time_nanos,
          .service = event.service,
          .id = facts.id,
          .fd = facts.fd,
          .role = facts.role,
          .protocol = facts.protocol,
          .close_reason = event.close_reason,
          .listener_of_socket = facts.listener,
          .remote = facts.remote,
          .create_time_nanos = facts.create_time_nanos,
          .counters = event.counters,
          .listener = event.listener};
}

// An array that is allocated in blocks when they are first needed: an idle host pays for few.
template <typename T>
class Blocks {
 public:
  void Resize(size_t size) {
    blocks_.clear();
    blocks_.resize((size + kBlock - 1) / kBlock);
  }
  // Throws std::bad_alloc.
  T& Make(size_t index) {
    std::unique_ptr<T[]>& block = blocks_[index / kBlock];
    if (!block) block = std::make_unique<T[]>(kBlock);
    return block[index % kBlock];
  }
  // nullptr: not made yet.
  T* Find(size_t index) const {
    const std::unique_ptr<T[]>& block = blocks_[index / kBlock];
    return block ? &block[index % kBlock] : nullptr;
  }

 private:
  static constexpr size_t kBlock = 256;
  std::vector<std::unique_ptr<T[]>> blocks_;
};

}  // namespace

// Behind a pointer, so that the annotated mutex is no part of the public API.
struct EventRing::State {
  int64_t First() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const int64_t kept = static_cast<int64_t>(capacity);
    return std::max<int64_t>(forgotten_until, last.load(std::memory_order_relaxed) - kept) + 1;
  }
  // The last of what listeners' events tell stays, however large it is.
  bool IsOverBudget() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return listeners.bytes() > most_bytes && listeners.size() > 1;
  }
  size_t IndexOf(int64_t sequence) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return static_cast<size_t>(sequence - 1) % capacity;
  }

  // Returns what the event that it takes the place of has told of a listener.
  std::shared_ptr<const ListenerSnapshot> Put(const EventView& event, int64_t sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  HostEvent Get(int64_t sequence) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  std::shared_ptr<const ListenerSnapshot> Forget(int64_t sequence, CompactEvent& kept)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // With all events up to the first that tells of a listener.
  std::shared_ptr<const ListenerSnapshot> ForgetFirstTold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Announce(int64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  Mutex mutex;
  size_t capacity ABSL_GUARDED_BY(mutex) = 0;
  size_t most_bytes ABSL_GUARDED_BY(mutex) = 0;
  // Sequence of the last event that was forgotten for want of bytes.
  int64_t forgotten_until ABSL_GUARDED_BY(mutex) = 0;
  Blocks<CompactEvent> records ABSL_GUARDED_BY(mutex);
  // At the same indexes, where the record is of a closed socket.
  Blocks<Ending> endings ABSL_GUARDED_BY(mutex);
  ToldListeners listeners ABSL_GUARDED_BY(mutex);
  NameTable names ABSL_GUARDED_BY(mutex);
  // Of the last event, whose names are often those of the next.
  NameTable::Name* last_service ABSL_GUARDED_BY(mutex) = nullptr;
  NameTable::Name* last_listener ABSL_GUARDED_BY(mutex) = nullptr;
  // Written under the mutex.
  std::atomic<int64_t> last{0};
  std::atomic<int64_t> lost{0};
  // Where the next event will stand, for Prefetch; may be out of date.
  std::atomic<const CompactEvent*> next_record{nullptr};
  std::atomic<const Ending*> next_ending{nullptr};
};

EventRing::EventRing() : state_(std::make_unique<State>()) { SetCapacity(kDefaultCapacity); }

EventRing::~EventRing() = default;

void EventRing::SetCapacity(size_t capacity) {
  MutexLock lock(state_->mutex);
  std::vector<HostEvent> kept;
  const int64_t last = state_->last.load(std::memory_order_relaxed);
  if (last > 0) {
    for (int64_t i = state_->First(); i <= last; ++i) kept.push_back(state_->Get(i));
  }
  state_->capacity = std::max<size_t>(capacity, 1);
  state_->most_bytes = std::max(kLeastBytes, kBytesPerEvent * state_->capacity);
  state_->records.Resize(state_->capacity);
  state_->endings.Resize(state_->capacity);
  state_->listeners = ToldListeners();
  state_->names = NameTable();
  state_->last_service = state_->last_listener = nullptr;
  for (const HostEvent& event : kept) {
    if (event.sequence >= state_->First()) state_->Put(ViewOf(event), event.sequence);
  }
  while (state_->IsOverBudget()) state_->ForgetFirstTold();
}

void EventRing::Add(const HostEvent& event) { Put(ViewOf(event)); }

void EventRing::Put(const EventView& event) {
  bool is_over_budget = false;
  {
    // Freed after the mutex is let go.
    std::shared_ptr<const ListenerSnapshot> forgotten;
    MutexLock lock(state_->mutex, Awake::kYes);
    const int64_t sequence = state_->last.load(std::memory_order_relaxed) + 1;
    forgotten = state_->Put(event, sequence);
    state_->last.store(sequence, std::memory_order_release);
    state_->Announce(sequence + 1);
    is_over_budget = state_->IsOverBudget();
    // The next one comes after a system call or more.
    Prefetch();
  }
  while (is_over_budget) is_over_budget = ForgetExcess();
}

// A large event takes the place of many small ones: the mutex is let go between them.
bool EventRing::ForgetExcess() {
  std::shared_ptr<const ListenerSnapshot> forgotten;
  MutexLock lock(state_->mutex, Awake::kYes);
  if (!state_->IsOverBudget()) return false;
  forgotten = state_->ForgetFirstTold();
  return state_->IsOverBudget();
}

std::shared_ptr<const ListenerSnapshot> EventRing::State::ForgetFirstTold() {
  forgotten_until = listeners.first();
  return listeners.TakeFirst();
}

std::shared_ptr<const ListenerSnapshot> EventRing::State::Put(const EventView& event,
                                                              int64_t sequence) {
  const size_t index = IndexOf(sequence);
  // First what can run out of memory.
  CompactEvent& kept = records.Make(index);
  Ending* ending = nullptr;
  if (event.kind == HostEventKind::kSocketClosed) ending = &endings.Make(index);
  const bool tells = event.listener != nullptr;
  if (tells) listeners.Add(sequence, event.listener);
  NameTable::Name* service = nullptr;
  NameTable::Name* listener = nullptr;
  try {
    service = names.Use(event.service, last_service);
    listener = names.Use(event.listener_of_socket, last_listener);
  } catch (...) {
    names.Release(service);
    if (tells) listeners.DropLast();
    throw;
  }
  std::shared_ptr<const ListenerSnapshot> forgotten =
      Forget(sequence - static_cast<int64_t>(capacity), kept);
  kept.kind = event.kind;
  kept.role = event.role;
  kept.protocol = event.protocol;
  kept.close_reason = event.close_reason;
  kept.fd = event.fd;
  kept.time_nanos = event.time_nanos != 0 ? event.time_nanos : absl::GetCurrentTimeNanos();
  kept.id = event.id;
  kept.service = last_service = service;
  kept.listener = last_listener = listener;
  kept.remote = event.remote;
  if (!ending) return forgotten;
  ending->create_time_nanos = event.create_time_nanos;
  ending->counters = event.counters;
  kept.has_rare = ending->counters.has_rare();
  return forgotten;
}

std::shared_ptr<const ListenerSnapshot> EventRing::State::Forget(int64_t sequence,
                                                                 CompactEvent& kept) {
  names.Release(kept.service);
  names.Release(kept.listener);
  kept.service = kept.listener = nullptr;
  if (kept.has_rare) endings.Find(IndexOf(sequence))->counters = CounterValues();
  kept.has_rare = false;
  return listeners.first() == sequence && sequence > 0 ? listeners.TakeFirst() : nullptr;
}

HostEvent EventRing::State::Get(int64_t sequence) const {
  const size_t index = IndexOf(sequence);
  const CompactEvent& kept = *records.Find(index);
  HostEvent event;
  event.kind = kept.kind;
  event.sequence = sequence;
  event.time_nanos = kept.time_nanos;
  event.service = NameTable::TextOf(kept.service);
  event.close_reason = kept.close_reason;
  if (event.is_of_socket()) {
    event.socket = {.id = kept.id,
                    .fd = kept.fd,
                    .role = kept.role,
                    .protocol = kept.protocol,
                    .listener = NameTable::TextOf(kept.listener),
                    .remote = kept.remote,
                    .create_time_nanos = kept.time_nanos};
  }
  if (event.kind == HostEventKind::kSocketClosed) {
    const Ending& ending = *endings.Find(index);
    event.socket.create_time_nanos = ending.create_time_nanos;
    event.counters = ending.counters;
  }
  if (event.is_of_socket()) return event;
  event.listener = listeners.Find(sequence);
  return event;
}

void EventRing::State::Announce(int64_t sequence) {
  const size_t index = IndexOf(sequence);
  next_record.store(records.Find(index), std::memory_order_relaxed);
  next_ending.store(endings.Find(index), std::memory_order_relaxed);
}

void EventRing::Prefetch() const {
  const auto* record =
      reinterpret_cast<const char*>(state_->next_record.load(std::memory_order_relaxed));
  const auto* ending =
      reinterpret_cast<const char*>(state_->next_ending.load(std::memory_order_relaxed));
  if (record) __builtin_prefetch(record, 1);
  if (ending) {
    __builtin_prefetch(ending, 1);
    __builtin_prefetch(ending + kCacheLine, 1);
  }
}

void EventRing::Record(absl::FunctionRef<HostEvent()> make) {
  try {
    Add(make());
  } catch (const std::bad_alloc&) {
    state_->lost.fetch_add(1, std::memory_order_relaxed);
  }
}

void EventRing::Record(const EventView& event) {
  try {
    Put(event);
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
  for (; sequence <= end; ++sequence) batch.events.push_back(state_->Get(sequence));
  return batch;
}

int64_t EventRing::last() const { return state_->last.load(std::memory_order_acquire); }

}  // namespace sockhost
