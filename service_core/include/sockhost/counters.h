// The counters of sockets, listeners and services: one table, one block type.
#ifndef SOCKHOST_COUNTERS_H_
#define SOCKHOST_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/strings/string_view.h"

namespace sockhost {

// X(name, kind). Names and units are those of proto/sockhost/v1/counters.proto.
// kSum only grows; kMaximum is the largest value seen; kGauge goes both ways;
// kTime is a wall clock time in ns since 1970.
//
// Hot counters change with nearly every event and live inside the block. Rare
// ones live in a second block that is allocated when the first of them changes:
// an idle socket then costs a quarter.
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

#define SOCKHOST_RARE_COUNTERS(X)     \
  X(poll_out_events, kSum)            \
  X(poll_pri_events, kSum)            \
  X(poll_err_events, kSum)            \
  X(poll_hup_events, kSum)            \
  X(poll_rdhup_events, kSum)          \
  X(poll_nval_events, kSum)           \
  X(truncated_messages, kSum)         \
  X(would_block, kSum)                \
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
  X(dropped_unsent, kSum)

#define SOCKHOST_COUNTERS(X) SOCKHOST_HOT_COUNTERS(X) SOCKHOST_RARE_COUNTERS(X)

enum class CounterKind { kSum, kMaximum, kGauge, kTime };

enum class Counter : size_t {
#define SOCKHOST_X(name, kind) name,
  SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

#define SOCKHOST_X(name, kind) +1
inline constexpr size_t kHotCounters = SOCKHOST_HOT_COUNTERS(SOCKHOST_X);
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

// The values of a block at one moment. A value type; copies share the rare ones, so
// that copying allocates nothing.
class CounterValues {
 public:
  int64_t operator[](Counter counter) const {
    const size_t i = static_cast<size_t>(counter);
    if (i < kHotCounters) return hot_[i];
    return rare_ ? rare_->values[i - kHotCounters] : 0;
  }
  // For a rare one throws std::bad_alloc.
  int64_t& operator[](Counter counter) {
    const size_t i = static_cast<size_t>(counter);
    return i < kHotCounters ? hot_[i] : OwnRare().values[i - kHotCounters];
  }

  // False: every rare counter is 0, and no call ever failed.
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
  struct Rare {
    std::array<int64_t, kCounters - kHotCounters> values{};
    std::array<ErrorCount, kErrorCells + 1> errors{};
    bool operator==(const Rare&) const = default;
  };

  // Of this object alone.
  Rare& OwnRare();

  std::array<int64_t, kHotCounters> hot_{};
  // nullptr: all are 0. Constant while it is shared.
  std::shared_ptr<Rare> rare_;
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
  // False: every rare counter is 0.
  bool has_rare() const { return rare_.load(std::memory_order_relaxed) != nullptr; }
  // Throws std::bad_alloc where there are rare counters.
  CounterValues Read() const;

  // Back to zero, for the next socket in the same table slot.
  void Clear();

 private:
  struct Rare;

  std::atomic<int64_t>& Cell(Counter counter) {
    const size_t i = static_cast<size_t>(counter);
    return i < kHotCounters ? hot_[i] : RareCell(i - kHotCounters);
  }
  std::atomic<int64_t>& RareCell(size_t i);
  int64_t GetRare(size_t i) const;
  Rare& OwnRare();
  Rare& AllocateRare();

  std::array<std::atomic<int64_t>, kHotCounters> hot_{};
  // Allocated once, by whichever thread comes first; freed with the block.
  std::atomic<Rare*> rare_{nullptr};
};

}  // namespace sockhost

#endif  // SOCKHOST_COUNTERS_H_
