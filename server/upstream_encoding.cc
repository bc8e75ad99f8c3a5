#include "upstream_encoding.h"

#include "absl/time/clock.h"
#include "forward_route.h"
#include "monotonic_time.h"
#include "proto_encoding.h"

namespace sockhost {
namespace {

v1::UpstreamStatus::State EncodeState(UpstreamState state) {
  switch (state) {
    case UpstreamState::kHealthy:
      return v1::UpstreamStatus::HEALTHY;
    case UpstreamState::kBackingOff:
      return v1::UpstreamStatus::BACKING_OFF;
    case UpstreamState::kOnTrial:
      return v1::UpstreamStatus::ON_TRIAL;
    case UpstreamState::kUnresolved:
      return v1::UpstreamStatus::UNRESOLVED;
  }
  return v1::UpstreamStatus::STATE_UNSPECIFIED;
}

// Moments of CLOCK_MONOTONIC on the wall clock, as it stands now.
class WallClock {
 public:
  absl::Duration now() const { return monotonic_; }
  void Encode(absl::Duration moment, google::protobuf::Timestamp& out) const {
    EncodeTime(wall_nanos_ + absl::ToInt64Nanoseconds(moment - monotonic_), out);
  }

 private:
  const absl::Duration monotonic_ = MonotonicTime();
  const int64_t wall_nanos_ = absl::GetCurrentTimeNanos();
};

void Encode(const Upstream& upstream, const UpstreamStatus& status, const WallClock& clock,
            v1::UpstreamStatus& out) {
  out.set_upstream(upstream.text());
  for (const SocketAddress& address : upstream.addresses()) {
    out.add_addresses(address.ToString());
  }
  out.set_state(EncodeState(status.state));
  out.set_consecutive_failures(status.consecutive_failures);
  if (status.consecutive_failures > 0) {
    clock.Encode(status.failing_since, *out.mutable_failing_since());
    clock.Encode(status.retry_at, *out.mutable_retry_time());
  }
  out.set_last_error(ProblemText(status.last_problem));
  if (status.last_problem != 0) {
    clock.Encode(status.last_failure, *out.mutable_last_failure_time());
  }
  out.set_active_connections(status.active);
  out.set_connections(status.connections);
  out.set_failures(status.failures);
}

}  // namespace

void EncodeUpstreams(const ServiceParameters* parameters, v1::Listener& out) {
  const auto* forward = dynamic_cast<const ForwardParameters*>(parameters);
  if (!forward) return;
  const UpstreamSet& set = *forward->route->upstreams;
  const WallClock clock;
  for (size_t i = 0; i < set.upstreams().size(); ++i) {
    Encode(*set.upstreams()[i], set.StatusOf(i, clock.now()), clock, *out.add_upstreams());
  }
}

}  // namespace sockhost
