#include "sockhost/counters.h"

#include <new>

#include "absl/strings/string_view.h"

namespace sockhost {
namespace {

constexpr absl::string_view kNames[] = {
#define SOCKHOST_X(name, kind) #name,
    SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

}  // namespace

absl::string_view CounterName(Counter counter) { return kNames[static_cast<size_t>(counter)]; }

bool CounterValues::operator==(const CounterValues& other) const {
  static const Rare kNone;
  return hot_ == other.hot_ && (rare_ ? *rare_ : kNone) == (other.rare_ ? *other.rare_ : kNone);
}

CounterValues::Rare& CounterValues::OwnRare() {
  if (!rare_) {
    rare_ = std::make_shared<Rare>();
  } else if (rare_.use_count() > 1) {
    rare_ = std::make_shared<Rare>(*rare_);
  }
  return *rare_;
}

// The foreign ones belong to threads other than the service thread. They are kept
// apart because a plain store of the service thread would lose their additions.
struct CounterBlock::Rare {
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

CounterBlock::~CounterBlock() { delete rare_.load(); }

CounterBlock::Rare& CounterBlock::OwnRare() {
  Rare* rare = rare_.load(std::memory_order_acquire);
  return rare ? *rare : AllocateRare();
}

CounterBlock::Rare& CounterBlock::AllocateRare() {
  std::unique_ptr<Rare> fresh(new (std::nothrow) Rare);
  // Out of memory: the count is lost, what was to be counted is not.
  static Rare lost;
  if (!fresh) return lost;
  Rare* rare = nullptr;
  if (rare_.compare_exchange_strong(rare, fresh.get())) return *fresh.release();
  return *rare;
}

std::atomic<int64_t>& CounterBlock::RareCell(size_t i) { return OwnRare().values[i]; }

void CounterBlock::AddError(int error_number) {
  auto& cells = OwnRare().errors;
  size_t i = 0;
  while (i < kErrorCells) {
    const int owner = cells[i].error_number.load(std::memory_order_relaxed);
    if (owner == 0) cells[i].error_number.store(error_number, std::memory_order_relaxed);
    if (owner == 0 || owner == error_number) break;
    ++i;
  }
  std::atomic<int64_t>& count = cells[i].count;
  // After the errno: who reads the count sees whose it is.
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void CounterBlock::AddReceivedFromAnyThread(int64_t bytes, int64_t messages) {
  Rare& rare = OwnRare();
  rare.foreign_receive_bytes.fetch_add(bytes, std::memory_order_relaxed);
  rare.foreign_receive_messages.fetch_add(messages, std::memory_order_relaxed);
}

void CounterBlock::AddTransmittedFromAnyThread(int64_t bytes, int64_t messages) {
  Rare& rare = OwnRare();
  rare.foreign_transmit_bytes.fetch_add(bytes, std::memory_order_relaxed);
  rare.foreign_transmit_messages.fetch_add(messages, std::memory_order_relaxed);
}

int64_t CounterBlock::GetRare(size_t i) const {
  const Rare* rare = rare_.load(std::memory_order_acquire);
  return rare ? rare->values[i].load(std::memory_order_relaxed) : 0;
}

CounterValues CounterBlock::Read() const {
  CounterValues out;
  for (size_t i = 0; i < kHotCounters; ++i) {
    out[static_cast<Counter>(i)] = hot_[i].load(std::memory_order_relaxed);
  }
  const Rare* rare = rare_.load(std::memory_order_acquire);
  if (!rare) return out;
  for (size_t i = kHotCounters; i < kCounters; ++i) {
    out[static_cast<Counter>(i)] = rare->values[i - kHotCounters].load(std::memory_order_relaxed);
  }
  const std::span<ErrorCount> errors = out.mutable_errors();
  for (size_t i = 0; i < errors.size(); ++i) {
    const int64_t count = rare->errors[i].count.load(std::memory_order_acquire);
    if (count == 0) continue;
    errors[i] = {rare->errors[i].error_number.load(std::memory_order_relaxed), count};
  }
  out[Counter::receive_bytes] += rare->foreign_receive_bytes.load(std::memory_order_relaxed);
  out[Counter::receive_messages] += rare->foreign_receive_messages.load(std::memory_order_relaxed);
  out[Counter::transmit_bytes] += rare->foreign_transmit_bytes.load(std::memory_order_relaxed);
  out[Counter::transmit_messages] +=
      rare->foreign_transmit_messages.load(std::memory_order_relaxed);
  return out;
}

void CounterBlock::Clear() {
  for (std::atomic<int64_t>& value : hot_) value.store(0, std::memory_order_relaxed);
  if (has_rare()) delete rare_.exchange(nullptr);
}

}  // namespace sockhost
