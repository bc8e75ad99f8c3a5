#include "client/socket_samples.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/resource_tables.h"

namespace sockhost::client {
namespace {

Activity<int64_t> ActivityOf(const v1::Counters& counters) {
  return {.events = counters.handler_calls(),
          .accepts = counters.accepted_connections(),
          .receive_bytes = counters.receive_bytes(),
          .transmit_bytes = counters.transmit_bytes()};
}

Activity<double> RatesOf(const Activity<int64_t>& from, const Activity<int64_t>& to,
                         absl::Duration time) {
  const double seconds = absl::ToDoubleSeconds(time);
  return {.events = static_cast<double>(to.events - from.events) / seconds,
          .accepts = static_cast<double>(to.accepts - from.accepts) / seconds,
          .receive_bytes = static_cast<double>(to.receive_bytes - from.receive_bytes) / seconds,
          .transmit_bytes = static_cast<double>(to.transmit_bytes - from.transmit_bytes) / seconds};
}

}  // namespace

absl::StatusOr<bool> SocketSamples::Add(const v1::WatchSocketsResponse& message) {
  if (!instance_id_.empty() && message.instance_id() != instance_id_) {
    return absl::FailedPreconditionError(
        absl::StrCat("the daemon was restarted: instance ", instance_id_, " became ",
                     message.instance_id(), ": start the watch again"));
  }
  instance_id_ = message.instance_id();
  if (message.has_lag()) coalesced_ = message.lag().coalesced();
  if (message.reset()) sockets_.clear();
  if (message.has_sample_time()) sample_time_ = TimeOf(message.sample_time());
  for (const std::string& name : message.removed()) sockets_.erase(name);
  for (const v1::Socket& socket : message.sockets()) sockets_[socket.name()].socket = socket;
  synced_ = synced_ || message.sync();
  if (!synced_ || message.more()) return false;
  CompleteSample();
  return true;
}

void SocketSamples::CompleteSample() {
  const absl::Duration time = sample_time_ - baseline_time_;
  for (auto& [name, sampled] : sockets_) {
    // A socket registered since the last sample began at zero: its baseline is known.
    if (!sampled.baseline.has_value() && sampled.socket.has_create_time() &&
        TimeOf(sampled.socket.create_time()) >= baseline_time_ && complete_samples_ > 0) {
      sampled.baseline.emplace();
    }
    const Activity<int64_t> now = ActivityOf(sampled.socket.counters());
    sampled.rates.reset();
    if (sampled.baseline.has_value() && time > absl::ZeroDuration()) {
      sampled.rates = RatesOf(*sampled.baseline, now, time);
    }
    sampled.baseline = now;
  }
  baseline_time_ = sample_time_;
  ++complete_samples_;
}

}  // namespace sockhost::client
