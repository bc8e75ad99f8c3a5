// The counters of sockets, listeners and services: one table, one block type.
#ifndef SOCKHOST_COUNTERS_H_
#define SOCKHOST_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/string_view.h"

namespace sockhost {

// X(name, kind). Names and units are those of proto/sockhost/v1/counters.proto.
// kSum only grows; kMaximum is the largest value seen; kGauge goes both ways;
// kTime is a wall clock time in ns since 1970.
//
// Hot counters change with nearly every event and live inside the block. Rare
// ones live in a second block that is allocated when the first of them changes:
// an idle socket then costs a quarter. Few are those that change once or twice in
// the life of most connections: they need the second block when they are many.
#define SOCKHOST_HOT_COUNTERS(X)        \
  X(poll_in_events, kSum)               \
  X(handler_calls, kSum)                \
  X(handler_time_nanos, kSum)           \
  X(max_handler_time_nanos, kMaximum)   \
  X(dispatch_delay_nanos, kSum)         \
  X(max_dispatch_delay_nanos, kMaximum) \
  X(receive_bytes, kSum)                \
  X(transmit_bytes, kSum)               \
  X(receive_messages, kSum)             \
  X(transmit_messages, kSum)            \
  X(last_event_time, kTime)             \
  X(last_receive_time, kTime)           \
  X(last_transmit_time, kTime)

#define SOCKHOST_FEW_COUNTERS(X) \
  X(poll_out_events, kSum)       \
  X(poll_hup_events, kSum)       \
  X(would_block, kSum)

#define SOCKHOST_RARE_COUNTERS(X)     \
  X(poll_pri_events, kSum)            \
  X(poll_err_events, kSum)            \
  X(poll_rdhup_events, kSum)          \
  X(poll_nval_events, kSum)           \
  X(truncated_messages, kSum)         \
  X(short_writes, kSum)               \
  X(receive_errors, kSum)             \
  X(transmit_errors, kSum)            \
  X(accepted_connections, kSum)       \
  X(accept_errors, kSum)              \
  X(accept_pauses, kSum)              \
  X(max_accepts_per_wakeup, kMaximum) \
  X(active_connections, kGauge)       \
  X(max_active_connections, kMaximum) \
  X(rejected_connections, kSum)       \
  X(rejected_by_source, kSum)         \
  X(timed_out_connections, kSum)      \
  X(dropped_messages, kSum)           \
  X(spurious_events, kSum)            \
  X(masked, kSum)                     \
  X(masked_nanos, kSum)               \
  X(stale_events, kSum)               \
  X(slow_handler_calls, kSum)         \
  X(handler_exceptions, kSum)         \
  X(connect_failures, kSum)           \
  X(skipped_upstreams, kSum)          \
  X(dropped_sources, kSum)            \
  X(dropped_loops, kSum)              \
  X(dropped_over_rate, kSum)          \
  X(dropped_amplifications, kSum)     \
  X(dropped_unsent, kSum)             \
  X(dropped_over_flows, kSum)

#define SOCKHOST_COUNTERS(X) \
  SOCKHOST_HOT_COUNTERS(X) SOCKHOST_FEW_COUNTERS(X) SOCKHOST_RARE_COUNTERS(X)

enum class CounterKind { kSum, kMaximum, kGauge, kTime };

enum class Counter : size_t {
#define SOCKHOST_X(name, kind) name,
  SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

#define SOCKHOST_X(name, kind) +1
inline constexpr size_t kHotCounters = SOCKHOST_HOT_COUNTERS(SOCKHOST_X);
inline constexpr size_t kFewCounters = SOCKHOST_FEW_COUNTERS(SOCKHOST_X);
inline constexpr size_t kCounters = SOCKHOST_COUNTERS(SOCKHOST_X);
#undef SOCKHOST_X

absl::string_view CounterName(Counter counter);

// Failed calls with one errno. `error_number` 0: all those that found no cell of their
// own; an unused cell if `count` is 0 too.
struct ErrorCount {
  int error_number = 0;
  int64_t count = 0;
  bool operator==(const ErrorCount&) const = default;
};

// Cells for errnos in a block. A socket meets two or three different ones in its life.
inline constexpr size_t kErrorCells = 7;

// The few counters in one word, 21 bits each above a bit that is always set.
class FewCounts {
 public:
  static constexpr int64_t kMost = (int64_t{1} << 21) - 1;

  // False for nullptr and for all other pointers.
  static bool IsIn(uint64_t word) { return (word & 1) != 0; }
  // 0 for 0.
  static int64_t Get(uint64_t word, size_t i) {
    return static_cast<int64_t>(word >> ShiftOf(i)) & kMost;
  }
  // `word` with `n` more; there is room for them.
  static uint64_t Plus(uint64_t word, size_t i, int64_t n) {
    return (word | 1) + (static_cast<uint64_t>(n) << ShiftOf(i));
  }

 private:
  static size_t ShiftOf(size_t i) { return 1 + 21 * i; }
};
static_assert(kFewCounters == 3);

// The values of a block at one moment. A value type; copies share the rare ones, so
// that copying allocates nothing.
class CounterValues {
 public:
  CounterValues() = default;
  CounterValues(const CounterValues& other)
      : hot_(other.hot_), few_(other.few_), rare_(other.rare_) {
    if (rare_) rare_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  CounterValues(CounterValues&& other) noexcept
      : hot_(other.hot_), few_(other.few_), rare_(std::exchange(other.rare_, nullptr)) {}
  CounterValues& operator=(CounterValues other) noexcept {
    hot_ = other.hot_;
    few_ = other.few_;
    std::swap(rare_, other.rare_);
    return *this;
  }
  ~CounterValues() { LetGo(); }

  int64_t operator[](Counter counter) const {
    const size_t i = static_cast<size_t>(counter);
    if (i < kHotCounters) return hot_[i];
    if (rare_) return rare_->values[i - kHotCounters];
    return i < kHotCounters + kFewCounters ? FewCounts::Get(few_, i - kHotCounters) : 0;
  }
  // For a rare one throws std::bad_alloc.
  int64_t& operator[](Counter counter) {
    const size_t i = static_cast<size_t>(counter);
    return i < kHotCounters ? hot_[i] : OwnRare().values[i - kHotCounters];
  }

  // False: no memory of its own; every rare counter is 0, and no call ever failed.
  bool has_rare() const { return rare_ != nullptr; }

  // Failed receive, send and accept calls by errno; the last one takes what the others
  // have no room for. Empty if no call ever failed.
  std::span<const ErrorCount> errors() const {
    return rare_ ? std::span<const ErrorCount>(rare_->errors) : std::span<const ErrorCount>();
  }
  // All of its cells. Throws std::bad_alloc.
  std::span<ErrorCount> mutable_errors() { return OwnRare().errors; }

  bool operator==(const CounterValues& other) const;

 private:
  friend class CounterBlock;

  // Of the few ones too. Constant while it has several owners.
  struct Rare {
    std::atomic<uint32_t> owners{1};
    std::array<int64_t, kCounters - kHotCounters> values{};
    std::array<ErrorCount, kErrorCells + 1> errors{};
  };

  // Of this object alone.
  Rare& OwnRare();
  // The same, for who writes all of it.
  Rare& RareToFill();
  bool IsShared() const { return rare_->owners.load(std::memory_order_acquire) > 1; }
  // What rare_ points to.
  void LetGo() {
    if (rare_ && rare_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rare_;
  }

  std::array<int64_t, kHotCounters> hot_{};
  // FewCounts, or 0; not looked at where there is a rare_.
  uint64_t few_ = 0;
  // nullptr: all are 0. Not a std::shared_ptr: that would be a cache line more for each ending
  // that is remembered.
  Rare* rare_ = nullptr;
};

// The counters of one socket, listener or service.
//
// Thread rule: Add, AddError, Max and Set are for the service thread, the only writer, so
// a hot counter costs a plain load and store. AddReceived and AddTransmitted on
// any other thread go through *FromAnyThread. Read is for any thread; each value
// is whole, different values may be a few events apart.
class CounterBlock {
 public:
  CounterBlock() = default;
  ~CounterBlock();
  CounterBlock(const CounterBlock&) = delete;
  CounterBlock& operator=(const CounterBlock&) = delete;

  void Add(Counter counter, int64_t n = 1) {
    if (IsFew(counter) && AddFew(static_cast<size_t>(counter) - kHotCounters, n)) return;
    std::atomic<int64_t>& cell = Cell(counter);
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Max(Counter counter, int64_t value) {
    std::atomic<int64_t>& cell = Cell(counter);
    if (cell.load(std::memory_order_relaxed) < value) cell.store(value, std::memory_order_relaxed);
  }
  void Set(Counter counter, int64_t value) {
    Cell(counter).store(value, std::memory_order_relaxed);
  }

  // One call that failed with `error_number`.
  void AddError(int error_number);

  void AddReceivedFromAnyThread(int64_t bytes, int64_t messages);
  void AddTransmittedFromAnyThread(int64_t bytes, int64_t messages);

  int64_t Get(Counter counter) const {
    const size_t i = static_cast<size_t>(counter);
    return i < kHotCounters ? hot_[i].load(std::memory_order_relaxed) : GetRare(i - kHotCounters);
  }
  // False: every counter that is neither hot nor few is 0.
  bool has_rare() const { return RareIn(few_or_rare_.load(std::memory_order_relaxed)) != nullptr; }
  // Throws std::bad_alloc where there are rare counters.
  CounterValues Read() const;
  // The same, into the memory of what `out` held, if that is not shared.
  void ReadInto(CounterValues& out) const;

  // Back to zero, for the next socket in the same table slot.
  void Clear();

 private:
  // The foreign ones belong to threads other than the service thread. They are kept
  // apart because a plain store of the service thread would lose their additions.
  struct Rare {
    // A cell is taken for an errno once and keeps it.
    struct ErrorCell {
      std::atomic<int> error_number{0};
      std::atomic<int64_t> count{0};
    };

    std::array<std::atomic<int64_t>, kCounters - kHotCounters> values{};
    std::array<ErrorCell, kErrorCells + 1> errors{};
    std::atomic<int64_t> foreign_receive_bytes{0};
    std::atomic<int64_t> foreign_receive_messages{0};
    std::atomic<int64_t> foreign_transmit_bytes{0};
    std::atomic<int64_t> foreign_transmit_messages{0};
  };

  std::atomic<int64_t>& Cell(Counter counter) {
    const size_t i = static_cast<size_t>(counter);
    return i < kHotCounters ? hot_[i] : RareCell(i - kHotCounters);
  }
  std::atomic<int64_t>& RareCell(size_t i) { return OwnRare().values[i]; }
  int64_t GetRare(size_t i) const {
    const uint64_t word = few_or_rare_.load(std::memory_order_acquire);
    if (const Rare* rare = RareIn(word)) return rare->values[i].load(std::memory_order_relaxed);
    return i < kFewCounters ? FewCounts::Get(word, i) : 0;
  }
  Rare& OwnRare() {
    Rare* rare = RareIn(few_or_rare_.load(std::memory_order_acquire));
    return rare ? *rare : AllocateRare();
  }
  Rare& AllocateRare();

  static bool IsFew(Counter counter) {
    const size_t i = static_cast<size_t>(counter);
    return i >= kHotCounters && i < kHotCounters + kFewCounters;
  }
  // False if it has to be counted in a Rare.
  bool AddFew(size_t i, int64_t n) {
    uint64_t word = few_or_rare_.load(std::memory_order_relaxed);
    if (RareIn(word) || n < 0 || n > FewCounts::kMost - FewCounts::Get(word, i)) return false;
    // It fails if another thread has just allocated the Rare.
    return few_or_rare_.compare_exchange_strong(word, FewCounts::Plus(word, i, n),
                                                std::memory_order_relaxed);
  }
  // nullptr: `word` is FewCounts or 0.
  static Rare* RareIn(uint64_t word) {
    return FewCounts::IsIn(word) ? nullptr : reinterpret_cast<Rare*>(word);
  }

  std::array<std::atomic<int64_t>, kHotCounters> hot_{};
  // 0, FewCounts, or a pointer to a Rare: allocated once, by whichever thread comes first, and
  // freed with the block.
  std::atomic<uint64_t> few_or_rare_{0};
};

}  // namespace sockhost

#endif  // SOCKHOST_COUNTERS_H_
