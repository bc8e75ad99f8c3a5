#include "sockhost/counters.h"

#include <algorithm>
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
  for (size_t i = 0; i < kCounters; ++i) {
    if ((*this)[static_cast<Counter>(i)] != other[static_cast<Counter>(i)]) return false;
  }
  static constexpr std::array<ErrorCount, kErrorCells + 1> kNone{};
  return std::ranges::equal(rare_ ? rare_->errors : kNone,
                            other.rare_ ? other.rare_->errors : kNone);
}

CounterValues::Rare& CounterValues::RareToFill() {
  if (!rare_ || IsShared()) {
    Rare* fresh = new Rare;
    LetGo();
    rare_ = fresh;
  }
  return *rare_;
}

CounterValues::Rare& CounterValues::OwnRare() {
  if (rare_ && !IsShared()) return *rare_;
  const CounterValues before = *this;
  Rare& own = RareToFill();
  if (before.rare_) {
    own.values = before.rare_->values;
    own.errors = before.rare_->errors;
  } else {
    for (size_t i = 0; i < kFewCounters; ++i) own.values[i] = FewCounts::Get(few_, i);
  }
  return own;
}

CounterBlock::~CounterBlock() { delete RareIn(few_or_rare_.load()); }

CounterBlock::Rare& CounterBlock::AllocateRare() {
  std::unique_ptr<Rare> fresh(new (std::nothrow) Rare);
  // Out of memory: the count is lost, what was to be counted is not.
  static Rare lost;
  if (!fresh) return lost;
  uint64_t word = few_or_rare_.load(std::memory_order_acquire);
  do {
    if (Rare* rare = RareIn(word)) return *rare;
    for (size_t i = 0; i < kFewCounters; ++i) fresh->values[i] = FewCounts::Get(word, i);
  } while (!few_or_rare_.compare_exchange_weak(word, reinterpret_cast<uint64_t>(fresh.get())));
  return *fresh.release();
}

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

CounterValues CounterBlock::Read() const {
  CounterValues out;
  ReadInto(out);
  return out;
}

void CounterBlock::ReadInto(CounterValues& out) const {
  for (size_t i = 0; i < kHotCounters; ++i) {
    out.hot_[i] = hot_[i].load(std::memory_order_relaxed);
  }
  const uint64_t word = few_or_rare_.load(std::memory_order_acquire);
  const Rare* rare = RareIn(word);
  if (!rare) {
    out.LetGo();
    out.rare_ = nullptr;
    out.few_ = word;
    return;
  }
  CounterValues::Rare& copy = out.RareToFill();
  for (size_t i = 0; i < copy.values.size(); ++i) {
    copy.values[i] = rare->values[i].load(std::memory_order_relaxed);
  }
  for (size_t i = 0; i < copy.errors.size(); ++i) {
    const int64_t count = rare->errors[i].count.load(std::memory_order_acquire);
    const int number = count ? rare->errors[i].error_number.load(std::memory_order_relaxed) : 0;
    copy.errors[i] = {number, count};
  }
  out[Counter::receive_bytes] += rare->foreign_receive_bytes.load(std::memory_order_relaxed);
  out[Counter::receive_messages] += rare->foreign_receive_messages.load(std::memory_order_relaxed);
  out[Counter::transmit_bytes] += rare->foreign_transmit_bytes.load(std::memory_order_relaxed);
  out[Counter::transmit_messages] +=
      rare->foreign_transmit_messages.load(std::memory_order_relaxed);
}

void CounterBlock::Clear() {
  for (std::atomic<int64_t>& value : hot_) value.store(0, std::memory_order_relaxed);
  delete RareIn(few_or_rare_.exchange(0));
}

}  // namespace sockhost
