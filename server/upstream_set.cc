#include "upstream_set.h"

#include <algorithm>
#include <utility>

namespace sockhost {
namespace {

bool IsIn(uint64_t set, size_t index) { return (set >> index & 1) != 0; }

}  // namespace

UpstreamSet::UpstreamSet(std::vector<std::shared_ptr<Upstream>> upstreams, UpstreamPolicy policy)
    : upstreams_(std::move(upstreams)), policy_(policy), states_(upstreams_.size()) {}

std::optional<size_t> UpstreamSet::PickHealthy(uint64_t tried, absl::Duration now) const {
  std::optional<size_t> best;
  for (size_t i = 0; i < states_.size(); ++i) {
    const size_t index = (next_ + i) % states_.size();
    if (IsIn(tried, index) || is_backing_off(index, now)) continue;
    if (upstreams_[index]->is_resolving()) continue;
    if (policy_ == UpstreamPolicy::kRoundRobin) return index;
    if (!best || states_[index].active < states_[*best].active) best = index;
  }
  return best;
}

std::optional<size_t> UpstreamSet::PickSoonest(uint64_t tried) const {
  std::optional<size_t> best;
  for (size_t index = 0; index < states_.size(); ++index) {
    if (IsIn(tried, index) || upstreams_[index]->is_resolving()) continue;
    if (!best || states_[index].retry_at < states_[*best].retry_at) best = index;
  }
  return best;
}

std::optional<size_t> UpstreamSet::Pick(uint64_t tried, absl::Duration now, int64_t* skipped) {
  std::optional<size_t> picked = PickHealthy(tried, now);
  if (picked) {
    for (size_t index = 0; index < states_.size(); ++index) {
      *skipped += !IsIn(tried, index) && is_backing_off(index, now);
    }
  } else {
    picked = PickSoonest(tried);
  }
  if (!picked) return picked;
  next_ = (*picked + 1) % states_.size();
  State& state = states_[*picked];
  // On trial: only this connection finds out.
  if (state.failures > 0) state.retry_at = std::max(state.retry_at, now + kFirstBackOff);
  return picked;
}

void UpstreamSet::NoteFailure(size_t index, absl::Duration now) {
  State& state = states_[index];
  const int doublings = std::min(state.failures, 10);
  ++state.failures;
  state.retry_at = now + std::min(kFirstBackOff * (1 << doublings), kLongestBackOff);
}

UpstreamChoice::~UpstreamChoice() {
  if (upstream_) --set_->states_[*upstream_].active;
}

std::optional<SocketAddress> UpstreamChoice::Next(absl::Duration now) {
  while (!HasMore()) {
    if (upstream_) {
      set_->NoteFailure(*upstream_, now);
      --set_->states_[*upstream_].active;
    }
    upstream_ = set_->Pick(tried_, now, &skipped_);
    if (!upstream_) return std::nullopt;
    ++set_->states_[*upstream_].active;
    tried_ |= uint64_t{1} << *upstream_;
    addresses_ = set_->upstreams_[*upstream_]->shared_addresses();
    first_address_ = set_->states_[*upstream_].preferred;
    tried_addresses_ = 0;
    unknown_ += addresses_->empty();
  }
  return (*addresses_)[(first_address_ + tried_addresses_++) % addresses_->size()];
}

bool UpstreamChoice::IsWaiting() const {
  for (size_t index = 0; index < set_->upstreams_.size(); ++index) {
    if (!IsIn(tried_, index) && set_->upstreams_[index]->is_resolving()) return true;
  }
  return false;
}

void UpstreamChoice::Arrive() {
  arrived_address_ = (first_address_ + tried_addresses_ - 1) % addresses_->size();
  addresses_.reset();
}

void UpstreamChoice::Confirm() {
  UpstreamSet::State& state = set_->states_[*upstream_];
  state.failures = 0;
  state.retry_at = absl::ZeroDuration();
  state.preferred = arrived_address_;
}

void UpstreamChoice::Fail(absl::Duration now) { set_->NoteFailure(*upstream_, now); }

}  // namespace sockhost
