#include "upstream_set.h"

#include <algorithm>
#include <new>
#include <utility>

namespace sockhost {
namespace {

// An upstream that fails every other time must not fill the log.
constexpr absl::Duration kReportInterval = absl::Seconds(1);

bool IsIn(uint64_t set, size_t index) { return (set >> index & 1) != 0; }

}  // namespace

UpstreamSet::UpstreamSet(std::vector<std::shared_ptr<Upstream>> upstreams, UpstreamPolicy policy,
                         Report report)
    : upstreams_(std::move(upstreams)),
      policy_(policy),
      report_(std::move(report)),
      states_(upstreams_.size()) {}

std::optional<size_t> UpstreamSet::PickHealthy(uint64_t tried, absl::Duration now) const {
  std::optional<size_t> best;
  for (size_t i = 0; i < states_.size(); ++i) {
    const size_t index = (next_ + i) % states_.size();
    if (IsIn(tried, index) || is_backing_off(index, now)) continue;
    if (upstreams_[index]->is_resolving()) continue;
    if (policy_ == UpstreamPolicy::kRoundRobin) return index;
    if (!best || active(index) < active(*best)) best = index;
  }
  return best;
}

std::optional<size_t> UpstreamSet::PickSoonest(uint64_t tried) const {
  std::optional<size_t> best;
  for (size_t index = 0; index < states_.size(); ++index) {
    if (IsIn(tried, index) || upstreams_[index]->is_resolving()) continue;
    if (!best || states_[index].retry_at.get() < states_[*best].retry_at.get()) best = index;
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
  if (state.failures.get() > 0) {
    state.retry_at.Set(std::max(state.retry_at.get(), now + kFirstBackOff));
  }
  return picked;
}

void UpstreamSet::NoteFailure(size_t index, absl::Duration now, int problem) {
  State& state = states_[index];
  const int failures = state.failures.get();
  // In the order in which StatusOf does not read them.
  if (failures == 0) state.failing_since.Set(now);
  state.last_failure.Set(now);
  state.last_problem.Set(problem);
  state.total_failures.Add(1);
  // What fails before was begun before, or was a guess for want of another: a hundred clients
  // at once learn what one does.
  if (failures == 0 || now >= state.backs_off_until) {
    const absl::Duration back_off =
        std::min(kFirstBackOff * (1 << std::min(state.back_offs, 10)), kLongestBackOff);
    ++state.back_offs;
    state.backs_off_until = now + back_off;
  }
  state.retry_at.Set(state.backs_off_until);
  state.failures.Add(1);
  if (!report_ || state.is_reported || now < state.next_report) return;
  // One that was held back is made up for with the next failure.
  state.is_reported = true;
  state.next_report = now + kReportInterval;
  Tell({.upstream = *upstreams_[index],
        .problem = problem,
        .back_off = state.backs_off_until - now});
}

void UpstreamSet::Tell(const UpstreamChange& change) const {
  try {
    report_(change);
  } catch (const std::bad_alloc&) {
    // A line of the log is less than the connection that is on its way.
  }
}

void UpstreamSet::NoteSuccess(size_t index, absl::Duration now) {
  State& state = states_[index];
  const int failures = state.failures.get();
  if (failures == 0) return;
  state.failures.Set(0);
  state.back_offs = 0;
  state.retry_at.Set(now);
  if (!std::exchange(state.is_reported, false)) return;
  Tell({.upstream = *upstreams_[index],
        .works = true,
        .failed_for = now - state.failing_since.get(),
        .failures = failures});
}

UpstreamStatus UpstreamSet::StatusOf(size_t index, absl::Duration now) const {
  const State& state = states_[index];
  UpstreamStatus out;
  out.consecutive_failures = state.failures.get();
  out.failing_since = state.failing_since.get();
  out.retry_at = state.retry_at.get();
  out.last_problem = state.last_problem.get();
  out.last_failure = state.last_failure.get();
  out.active = state.active.get();
  out.connections = state.connections.get();
  out.failures = state.total_failures.get();
  if (out.consecutive_failures > 0) {
    out.state = out.retry_at > now ? UpstreamState::kBackingOff : UpstreamState::kOnTrial;
  } else if (upstreams_[index]->shared_addresses()->empty()) {
    out.state = UpstreamState::kUnresolved;
  }
  return out;
}

UpstreamChoice::~UpstreamChoice() {
  if (upstream_) set_->states_[*upstream_].active.Add(-1);
}

std::optional<SocketAddress> UpstreamChoice::Next(absl::Duration now) {
  while (!HasMore()) {
    if (upstream_) {
      set_->NoteFailure(*upstream_, now, addresses_->empty() ? kNoAddress : problem_);
      set_->states_[*upstream_].active.Add(-1);
    }
    upstream_ = set_->Pick(tried_, now, &skipped_);
    if (!upstream_) return std::nullopt;
    set_->states_[*upstream_].active.Add(1);
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
  address_count_ = addresses_->size();
  arrived_address_ = (first_address_ + tried_addresses_ - 1) % address_count_;
  addresses_.reset();
  set_->states_[*upstream_].connections.Add(1);
}

void UpstreamChoice::Confirm(absl::Duration now) {
  set_->NoteSuccess(*upstream_, now);
  UpstreamSet::State& state = set_->states_[*upstream_];
  state.preferred = arrived_address_;
  state.failing = 0;
}

void UpstreamChoice::Fail(absl::Duration now, int problem) {
  UpstreamSet::State& state = set_->states_[*upstream_];
  // Those before it failed at once.
  for (size_t i = 0; i < tried_addresses_; ++i) {
    state.failing |= 1U << (first_address_ + i) % address_count_;
  }
  const uint32_t all = (1U << address_count_) - 1;
  if ((state.failing & all) == all) {
    state.preferred = (arrived_address_ + 1) % address_count_;
    set_->NoteFailure(*upstream_, now, problem);
    return;
  }
  // Another flow may have found one that works.
  state.preferred %= address_count_;
  while (IsIn(state.failing, state.preferred)) {
    state.preferred = (state.preferred + 1) % address_count_;
  }
}

}  // namespace sockhost
