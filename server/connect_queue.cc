#include "connect_queue.h"

#include <vector>

#include "sockhost/service_timer.h"

namespace sockhost {
namespace {

// How soon after an answer of the resolver connections notice.
constexpr absl::Duration kLookAgainInterval = absl::Milliseconds(20);

}  // namespace

ConnectQueue::Place ConnectQueue::Enter(ConnectWaiter& waiter, bool for_name) {
  entries_.push_back({&waiter, ServiceClock() + timeout_, for_name});
  SetTimer();
  if (for_name) SetLookTimer();
  return std::prev(entries_.end());
}

void ConnectQueue::SetLookTimer() {
  if (is_looking_) return;
  is_looking_ = true;
  RunAfter(kLookAgainInterval, [queue = weak_from_this()] {
    if (const auto self = queue.lock()) self->LookAgain();
  });
}

void ConnectQueue::SetTimer() {
  if (has_timer_ || entries_.empty()) return;
  has_timer_ = true;
  RunAfter(entries_.front().deadline - ServiceClock(), [queue = weak_from_this()] {
    if (const auto self = queue.lock()) self->Expire();
  });
}

void ConnectQueue::Expire() {
  has_timer_ = false;
  while (!entries_.empty() && entries_.front().deadline <= ServiceClock()) {
    ConnectWaiter& waiter = *entries_.front().waiter;
    entries_.pop_front();
    waiter.OnConnectTimeout();
  }
  SetTimer();
}

void ConnectQueue::LookAgain() {
  is_looking_ = false;
  // Those who look may leave, and enter again at the end; nobody removes another.
  std::vector<ConnectWaiter*> waiters;
  for (const Entry& entry : entries_) {
    if (entry.for_name) waiters.push_back(entry.waiter);
  }
  if (waiters.empty()) return;
  SetLookTimer();
  for (ConnectWaiter* waiter : waiters) waiter->OnMaybeResolved();
}

}  // namespace sockhost
