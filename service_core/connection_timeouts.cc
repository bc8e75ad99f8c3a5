#include "connection_timeouts.h"

#include <algorithm>
#include <limits>

#include "listener.h"
#include "monotonic_clock.h"
#include "service_loop.h"
#include "socket_table.h"

namespace sockhost {
namespace {

// Some 20 us of work when none of them is in the cache.
constexpr uint32_t kSlotsAtATime = 256;

constexpr int64_t kShortestInterval = 50'000'000;
constexpr int64_t kLongestInterval = 5'000'000'000;
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

int64_t IntervalFor(const ListenerConfig& config) {
  int64_t shortest = kNone;
  for (const absl::Duration limit : {config.idle_timeout, config.max_lifetime}) {
    if (limit > absl::ZeroDuration()) {
      shortest = std::min(shortest, absl::ToInt64Nanoseconds(limit));
    }
  }
  if (shortest == kNone) return kNone;
  return std::clamp(shortest / 8, kShortestInterval, kLongestInterval);
}

// Changes with each event and each byte that moves. Calls of the handler count, because it may
// move bytes that are not counted; but not those that left the socket as it was.
uint16_t ActivityOf(const CounterBlock& counters) {
  return static_cast<uint16_t>(
      counters.Get(Counter::handler_calls) - counters.Get(Counter::spurious_events) +
      counters.Get(Counter::receive_messages) + counters.Get(Counter::transmit_messages));
}

bool HasPassed(uint32_t since_ms, uint32_t now_ms, absl::Duration limit) {
  // Unsigned: right when the clock of milliseconds has wrapped in between.
  return limit > absl::ZeroDuration() && absl::Milliseconds(now_ms - since_ms) >= limit;
}

void Close(SocketSlot& slot, SocketTable& table, CloseReason reason) {
  ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::timed_out_connections); });
  table.RemoveSlot(slot, Fate::kClose, reason);
}

}  // namespace

void ConnectionTimeouts::Watch(const ListenerConfig& config) {
  // As nearly always.
  const bool has_none =
      config.idle_timeout == absl::ZeroDuration() && config.max_lifetime == absl::ZeroDuration();
  if (has_none) return;
  const int64_t interval = IntervalFor(config);
  if (interval == kNone || (active_ && interval >= interval_)) return;
  StartRound(loop_.now() + interval);
  active_ = true;
  interval_ = interval;
}

void ConnectionTimeouts::StartRound(int64_t at) {
  const uint64_t round = round_ + 1;
  // First what can run out of memory: the round before goes on then.
  loop_.RunAt(at, [this, round] { LookAtSome(round, 0); });
  round_ = round;
  next_interval_ = kNone;
}

void ConnectionTimeouts::LookAtSome(uint64_t round, uint32_t first) {
  if (round != round_) return;
  SocketTable& table = loop_.table();
  // Not the time of the turn: connections have come in since.
  const auto now_ms = static_cast<uint32_t>(MonotonicNanos() / 1'000'000);
  const uint32_t end = std::min(first + kSlotsAtATime, table.slots_in_use());
  for (uint32_t i = first; i < end; ++i) {
    SocketSlot* slot = table.SlotInUse(i);
    if (slot && slot->role == Role::kConnection) LookAt(*slot, now_ms);
  }
  if (end == table.slots_in_use()) return EndRound();
  // Others have their turn first.
  loop_.RunAt(loop_.now() + 1, [this, round, end] { LookAtSome(round, end); });
}

void ConnectionTimeouts::LookAt(SocketSlot& slot, uint32_t now_ms) {
  const ListenerConfig& config = slot.listener->config();
  const int64_t interval = IntervalFor(config);
  if (interval == kNone) return;
  next_interval_ = std::min(next_interval_, interval);

  const uint16_t activity = ActivityOf(slot.counters);
  if (activity != slot.activity) {
    slot.activity = activity;
    slot.age.active_ms = now_ms;
  }
  if (HasPassed(slot.age.opened_ms, now_ms, config.max_lifetime)) {
    Close(slot, loop_.table(), CloseReason::kMaxLifetime);
  } else if (HasPassed(slot.age.active_ms, now_ms, config.idle_timeout)) {
    Close(slot, loop_.table(), CloseReason::kIdleTimeout);
  }
}

void ConnectionTimeouts::EndRound() {
  active_ = next_interval_ != kNone;
  interval_ = next_interval_;
  if (active_) StartRound(loop_.now() + interval_);
}

}  // namespace sockhost
