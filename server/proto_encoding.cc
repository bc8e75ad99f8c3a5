#include "proto_encoding.h"

#include <poll.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "listener_record.h"
#include "resource_name.h"

namespace sockhost {
namespace {

v1::Listener::State EncodeState(ListenerState state) {
  switch (state) {
    case ListenerState::kStarting:
      return v1::Listener::STARTING;
    case ListenerState::kFailed:
      return v1::Listener::FAILED;
    case ListenerState::kDisabled:
      return v1::Listener::DISABLED;
    case ListenerState::kActive:
      return v1::Listener::ACTIVE;
    case ListenerState::kPaused:
      return v1::Listener::PAUSED;
    case ListenerState::kDraining:
      return v1::Listener::DRAINING;
  }
  return v1::Listener::STATE_UNSPECIFIED;
}

v1::Socket::Role EncodeRole(Role role) {
  switch (role) {
    case Role::kListening:
      return v1::Socket::LISTENING;
    case Role::kConnection:
      return v1::Socket::CONNECTION;
    case Role::kDatagram:
      return v1::Socket::DATAGRAM;
    case Role::kRegistered:
      return v1::Socket::REGISTERED;
    case Role::kUpstream:
      return v1::Socket::UPSTREAM;
  }
  return v1::Socket::ROLE_UNSPECIFIED;
}

v1::Socket::Protocol EncodeProtocol(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return v1::Socket::TCP;
    case Protocol::kUdp:
      return v1::Socket::UDP;
    case Protocol::kUnixStream:
      return v1::Socket::UNIX_STREAM;
    case Protocol::kUnixDatagram:
      return v1::Socket::UNIX_DATAGRAM;
    case Protocol::kNone:
      break;
  }
  return v1::Socket::PROTOCOL_UNSPECIFIED;
}

v1::Socket::Family EncodeFamily(AddressFamily family) {
  switch (family) {
    case AddressFamily::kIpv4:
      return v1::Socket::IPV4;
    case AddressFamily::kIpv6:
      return v1::Socket::IPV6;
    case AddressFamily::kUnix:
      return v1::Socket::UNIX;
    case AddressFamily::kNone:
      break;
  }
  return v1::Socket::FAMILY_UNSPECIFIED;
}

v1::Socket::CloseReason EncodeCloseReason(CloseReason reason) {
  switch (reason) {
    case CloseReason::kUnregistered:
      return v1::Socket::UNREGISTERED;
    case CloseReason::kClosedBehind:
      return v1::Socket::CLOSED_BEHIND;
    case CloseReason::kPeerClosed:
      return v1::Socket::PEER_CLOSED;
    case CloseReason::kFailed:
      return v1::Socket::FAILED;
    case CloseReason::kClosedByService:
      return v1::Socket::CLOSED_BY_SERVICE;
    case CloseReason::kHandlerFailed:
      return v1::Socket::HANDLER_FAILED;
    case CloseReason::kIdleTimeout:
      return v1::Socket::IDLE_TIMEOUT;
    case CloseReason::kMaxLifetime:
      return v1::Socket::MAX_LIFETIME;
    case CloseReason::kDrainTimeout:
      return v1::Socket::DRAIN_TIMEOUT;
    case CloseReason::kListenerStopped:
      return v1::Socket::LISTENER_STOPPED;
    case CloseReason::kListenerDeleted:
      return v1::Socket::LISTENER_DELETED;
    case CloseReason::kClosedByAdmin:
      return v1::Socket::CLOSED_BY_ADMIN;
    case CloseReason::kUpstreamFailed:
      return v1::Socket::UPSTREAM_FAILED;
    case CloseReason::kNone:
      break;
  }
  return v1::Socket::CLOSE_REASON_UNSPECIFIED;
}

// The admin API makes every listener of this process, each with its record.
const ListenerRecord& RecordOf(const ListenerSnapshot& listener) {
  return static_cast<const ListenerRecord&>(*listener.config->attachment);
}

void EncodeCounter(int64_t value, v1::Counters& out, void (v1::Counters::*set)(int64_t)) {
  if (value != 0) (out.*set)(value);
}

void EncodeCounterTime(int64_t nanos, v1::Counters& out,
                       google::protobuf::Timestamp* (v1::Counters::*mutable_time)()) {
  if (nanos != 0) EncodeTime(nanos, *(out.*mutable_time)());
}

void EncodeErrors(const CounterValues& values, v1::Counters& out) {
  for (const ErrorCount& error : values.errors()) {
    if (error.count == 0) continue;
    const char* name = strerrorname_np(error.error_number);
    (*out.mutable_errors())[error.error_number != 0 && name ? name : "OTHER"] += error.count;
  }
}

}  // namespace

void EncodeTime(int64_t nanos, google::protobuf::Timestamp& out) {
  constexpr int64_t kSecond = 1'000'000'000;
  out.set_seconds(nanos / kSecond);
  out.set_nanos(static_cast<int32_t>(nanos % kSecond));
}

absl::Status UnknownNumber(absl::string_view field, int number, absl::string_view names) {
  const std::string value = absl::StrCat(number);
  return Error(Reason::kFIELD_INVALID, absl::StrCat(field, " ", value, ": use ", names),
               {{"value", value}}, field);
}

absl::Status CheckDuration(const google::protobuf::Duration& duration, absl::string_view field,
                           Reason reason) {
  // The limits of google/protobuf/duration.proto: 10 000 years.
  constexpr int64_t kMostSeconds = 315'576'000'000;
  constexpr int32_t kMostNanos = 999'999'999;
  const int64_t seconds = duration.seconds();
  const int32_t nanos = duration.nanos();
  const bool in_range = seconds >= -kMostSeconds && seconds <= kMostSeconds &&
                        nanos >= -kMostNanos && nanos <= kMostNanos;
  const bool has_one_sign = (seconds <= 0 || nanos >= 0) && (seconds >= 0 || nanos <= 0);
  if (in_range && has_one_sign) return absl::OkStatus();
  const std::string value = absl::StrCat("seconds: ", seconds, " nanos: ", nanos);
  return Error(
      reason,
      absl::StrCat(absl::StripPrefix(field, "listener."), " {", value,
                   "}: this is no google.protobuf.Duration; use seconds of at most ", kMostSeconds,
                   ", and nanos of at most ", kMostNanos, " with the same sign"),
      {{"value", value}}, field);
}

absl::Duration DecodeDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

void Encode(const CounterValues& values, v1::Counters& out) {
// By the kinds of the table: a counter without a field does not compile.
#define ENCODE_kSum(name) EncodeCounter(values[Counter::name], out, &v1::Counters::set_##name);
#define ENCODE_kMaximum(name) ENCODE_kSum(name)
#define ENCODE_kGauge(name) ENCODE_kSum(name)
#define ENCODE_kTime(name) \
  EncodeCounterTime(values[Counter::name], out, &v1::Counters::mutable_##name);
#define ENCODE(name, kind) ENCODE_##kind(name)
  SOCKHOST_COUNTERS(ENCODE)
#undef ENCODE
#undef ENCODE_kTime
#undef ENCODE_kGauge
#undef ENCODE_kMaximum
#undef ENCODE_kSum
  EncodeErrors(values, out);
}

void Encode(const ListenerSnapshot& snapshot, v1::Listener& out) {
  out.ParseFromString(RecordOf(snapshot).declared);
  EncodeOutputOnly(snapshot, out);
}

void EncodeForecast(const ListenerSnapshot& now, const ListenerConfig& next, v1::Listener& out) {
  ListenerSnapshot then = now;
  then.config = std::make_shared<const ListenerConfig>(next);
  const bool starts =
      next.enabled &&
      (!now.config->enabled || now.state == ListenerState::kStarting ||
       (now.state == ListenerState::kFailed && next.address != now.config->address));
  const bool stops = !next.enabled && now.config->enabled;
  if (starts || stops) {
    then.state = starts ? ListenerState::kActive : ListenerState::kDisabled;
    then.state_reason.clear();
    then.drain_deadline_nanos = 0;
  }
  const SocketOptions& before = now.config->socket;
  const bool keeps_socket = !starts && !stops && next.address == now.config->address &&
                            next.socket.backlog == before.backlog &&
                            next.socket.tuning == before.tuning;
  if (!keeps_socket) {
    then.effective_address = {};
    then.effective_backlog = 0;
    then.effective_receive_buffer_bytes = 0;
    then.effective_send_buffer_bytes = 0;
  }
  Encode(then, out);
  out.clear_etag();
  out.clear_update_time();
}

void EncodeOutputOnly(const ListenerSnapshot& snapshot, v1::Listener& out) {
  const ListenerConfig& config = *snapshot.config;
  const ListenerRecord& record = RecordOf(snapshot);
  out.set_uid(UuidText(record.uid));
  // As it was understood: numbers have one spelling.
  out.set_address(config.address.ToString());
  out.set_effective_address(snapshot.effective_address.ToString());
  out.set_effective_backlog(snapshot.effective_backlog);
  out.set_effective_receive_buffer_bytes(snapshot.effective_receive_buffer_bytes);
  out.set_effective_send_buffer_bytes(snapshot.effective_send_buffer_bytes);
  out.set_state(EncodeState(snapshot.state));
  out.set_state_reason(snapshot.state_reason);
  if (snapshot.drain_deadline_nanos != 0) {
    EncodeTime(snapshot.drain_deadline_nanos, *out.mutable_drain_time());
  }
  out.set_etag(EtagText(record));
  EncodeTime(record.create_time_nanos, *out.mutable_create_time());
  EncodeTime(record.update_time_nanos, *out.mutable_update_time());
  Encode(snapshot.counters, *out.mutable_counters());
}

void Encode(const SocketSnapshot& snapshot, v1::Socket& out) {
  constexpr struct {
    uint32_t bit;
    const char* name;
  } kPollNames[] = {
      {POLLIN, "POLLIN"}, {POLLPRI, "POLLPRI"}, {POLLOUT, "POLLOUT"}, {POLLRDHUP, "POLLRDHUP"}};
  out.set_name(SocketName(snapshot.id));
  out.set_fd(snapshot.fd);
  out.set_cookie(static_cast<int64_t>(snapshot.cookie));
  out.set_role(EncodeRole(snapshot.role));
  out.set_protocol(EncodeProtocol(snapshot.protocol));
  out.set_family(EncodeFamily(snapshot.family()));
  out.set_service(ServiceName(*snapshot.service));
  if (snapshot.listener) out.set_listener(ListenerName(*snapshot.listener));
  out.set_local_address(snapshot.local.ToString());
  out.set_remote_address(snapshot.remote.ToString());
  EncodeTime(snapshot.create_time_nanos, *out.mutable_create_time());
  for (const auto& [bit, name] : kPollNames) {
    if (snapshot.events & bit) out.add_poll_events(name);
  }
  out.set_masked(snapshot.masked);
  out.set_draining(snapshot.draining);
  const bool open = snapshot.close_reason == CloseReason::kNone;
  out.set_state(open ? v1::Socket::OPEN : v1::Socket::CLOSED);
  if (!open) {
    out.set_close_reason(EncodeCloseReason(snapshot.close_reason));
    EncodeTime(snapshot.close_time_nanos, *out.mutable_close_time());
  }
  Encode(snapshot.counters, *out.mutable_counters());
}

void Encode(const ServiceSnapshot& snapshot, v1::Service& out) {
  out.set_name(ServiceName(*snapshot.name));
  out.set_kind(snapshot.kind == ServiceKind::kBuiltIn ? v1::Service::BUILT_IN
                                                      : v1::Service::MODULE);
  out.set_owner(snapshot.owner);
  out.set_capacity(snapshot.capacity);
  out.set_used(snapshot.registered);
  out.set_sockets(snapshot.sockets);
  out.set_stalls(snapshot.stalls);
  out.set_max_stall_nanos(snapshot.max_stall_nanos);
  Encode(snapshot.counters, *out.mutable_counters());
}

void Encode(const LoopStatistics& statistics, v1::LoopStatistics& out) {
  out.set_wakeups(statistics.wakeups);
  out.set_events(statistics.events);
  out.set_stale_events(statistics.stale_events);
  out.set_max_events_per_wakeup(statistics.max_events_per_wakeup);
  out.set_busy_nanos(statistics.busy_nanos);
  out.set_max_turn_nanos(statistics.max_turn_nanos);
  out.set_epoll_rebuilds(statistics.epoll_rebuilds);
  out.set_stalls(statistics.stalls);
  out.set_max_stall_nanos(statistics.max_stall_nanos);
  out.set_closed_behind(statistics.closed_behind);
  out.set_out_of_memory(statistics.out_of_memory);
}

}  // namespace sockhost
