#include "forward_parameters.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "forward_route.h"
#include "host_resolver.h"
#include "logging.h"
#include "proto_encoding.h"
#include "sockhost/error.h"
#include "sockhost/service_timer.h"

namespace sockhost {
namespace {

constexpr absl::Duration kLongestConnectTimeout = absl::Minutes(5);
constexpr absl::Duration kShortestConnectTimeout = absl::Milliseconds(1);
constexpr absl::Duration kLongestFlowIdleTimeout = absl::Hours(1);
constexpr absl::Duration kShortestFlowIdleTimeout = absl::Milliseconds(10);
constexpr int kMostFlows = 65536;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return Error(Reason::kFIELD_INVALID, absl::StrCat(field, " ", value, ": ", rule),
               {{"value", std::string(value)}}, absl::StrCat("listener.forward.", field));
}

// Range of a duration whose zero means a default.
struct DurationRule {
  absl::string_view field;
  absl::Duration shortest;
  absl::Duration longest;
};

absl::Status SetDuration(const google::protobuf::Duration& given, const DurationRule& rule,
                         absl::Duration& out) {
  absl::Status status = CheckDuration(given, absl::StrCat("listener.forward.", rule.field));
  if (!status.ok()) return status;
  const absl::Duration value = DecodeDuration(given);
  if (value == absl::ZeroDuration()) return absl::OkStatus();
  if (value < rule.shortest || value > rule.longest) {
    return Invalid(rule.field, absl::FormatDuration(value),
                   absl::StrCat("use 0 (default) or ", absl::FormatDuration(rule.shortest), " to ",
                                absl::FormatDuration(rule.longest)));
  }
  out = value;
  return absl::OkStatus();
}

absl::Status SetCount(int32_t given, absl::string_view field, size_t& out) {
  if (given == 0) return absl::OkStatus();
  if (given < 0 || given > kMostFlows) {
    return Invalid(field, absl::StrCat(given),
                   absl::StrCat("use 0 (default) or 1 to ", kMostFlows));
  }
  out = static_cast<size_t>(given);
  return absl::OkStatus();
}

absl::StatusOr<ForwardOptions> DecodeOptions(const v1::ForwardParameters& given) {
  ForwardOptions options;
  options.proxy_protocol = given.proxy_protocol();
  FieldErrors errors;
  for (const absl::Status& status : {
           SetDuration(given.connect_timeout(),
                       {"connect_timeout", kShortestConnectTimeout, kLongestConnectTimeout},
                       options.connect_timeout),
           SetDuration(given.flow_idle_timeout(),
                       {"flow_idle_timeout", kShortestFlowIdleTimeout, kLongestFlowIdleTimeout},
                       options.flow_idle_timeout),
           SetCount(given.max_flows(), "max_flows", options.max_flows),
           SetCount(given.max_flows_per_source(), "max_flows_per_source",
                    options.max_flows_per_source),
       }) {
    errors.Add(status);
  }
  if (!errors.empty()) return errors.ToStatus();
  return options;
}

absl::StatusOr<UpstreamPolicy> DecodePolicy(v1::ForwardParameters::Policy policy) {
  switch (policy) {
    case v1::ForwardParameters::POLICY_UNSPECIFIED:
    case v1::ForwardParameters::ROUND_ROBIN:
      return UpstreamPolicy::kRoundRobin;
    case v1::ForwardParameters::LEAST_CONNECTIONS:
      return UpstreamPolicy::kLeastConnections;
    default:
      return Invalid("policy", absl::StrCat(static_cast<int>(policy)),
                     "use ROUND_ROBIN or LEAST_CONNECTIONS");
  }
}

absl::StatusOr<std::vector<std::shared_ptr<Upstream>>> DecodeUpstreams(
    const v1::ForwardParameters& given, bool datagrams) {
  if (given.upstreams().empty() || given.upstreams_size() > static_cast<int>(UpstreamSet::kMost)) {
    return Invalid("upstreams", absl::StrCat(given.upstreams_size()),
                   absl::StrCat("name 1 to ", UpstreamSet::kMost, " servers"));
  }
  std::vector<std::shared_ptr<Upstream>> upstreams;
  for (int i = 0; i < given.upstreams_size(); ++i) {
    const std::string field = absl::StrCat("upstreams[", i, "]");
    absl::StatusOr<std::shared_ptr<Upstream>> upstream = Upstream::Parse(given.upstreams(i));
    if (!upstream.ok()) {
      return WithField(upstream.status(), absl::StrCat("listener.forward.", field));
    }
    const Protocol protocol = (*upstream)->protocol();
    const bool fits = datagrams ? protocol == Protocol::kUdp
                                : protocol == Protocol::kTcp || protocol == Protocol::kUnixStream;
    if (!fits) {
      return Invalid(field, (*upstream)->text(),
                     datagrams ? "a UDP listener forwards to udp:// only"
                               : "a listener of connections does not forward to datagram sockets");
    }
    upstreams.push_back(*std::move(upstream));
  }
  return upstreams;
}

bool IsSet(const google::protobuf::Duration& duration) {
  return duration.seconds() != 0 || duration.nanos() != 0;
}

// What does not fit to the listener's address.
void CheckKind(const v1::Listener& listener, Protocol protocol, FieldErrors& errors) {
  const v1::ForwardParameters& given = listener.forward();
  const bool is_udp = protocol == Protocol::kUdp;
  const auto shown = [](const google::protobuf::Duration& duration) {
    return absl::FormatDuration(DecodeDuration(duration));
  };
  const struct {
    absl::string_view field;
    bool is_set;
    bool is_of_udp;
    std::string value;
  } rows[] = {
      {"proxy_protocol", given.proxy_protocol(), false, "true"},
      {"connect_timeout", IsSet(given.connect_timeout()), false, shown(given.connect_timeout())},
      {"flow_idle_timeout", IsSet(given.flow_idle_timeout()), true,
       shown(given.flow_idle_timeout())},
      {"max_flows", given.max_flows() != 0, true, absl::StrCat(given.max_flows())},
      {"max_flows_per_source", given.max_flows_per_source() != 0, true,
       absl::StrCat(given.max_flows_per_source())},
  };
  for (const auto& row : rows) {
    if (!row.is_set || row.is_of_udp == is_udp) continue;
    errors.Add(Error(Reason::kFIELD_INVALID,
                     absl::StrCat(row.field, " ", row.value,
                                  row.is_of_udp ? ": it is for UDP listeners, not for "
                                                : ": it is for connections, not for ",
                                  listener.address(), "; leave it out"),
                     {{"value", row.value}, {"address", listener.address()}},
                     absl::StrCat("listener.forward.", row.field)));
  }
}

void LogLookUp(const Upstream& upstream, const std::string& problem) {
  if (problem.empty()) {
    LogLine(LogLevel::kInfo, "the host name of an upstream is known again",
            {{"upstream", upstream.text()}});
    return;
  }
  LogLine(LogLevel::kWarning, "the host name of an upstream cannot be looked up",
          {{"upstream", upstream.text()},
           {"error", problem},
           {"known_addresses", upstream.shared_addresses()->size()}});
}

// Never waits: the service thread calls it.
void LogChange(absl::string_view listener, const UpstreamChange& change) {
  const LogField of_listener("listener", listener);
  const LogField upstream("upstream", change.upstream.text());
  if (change.works) {
    LogLine(LogLevel::kInfo, "an upstream works again",
            {of_listener,
             upstream,
             {"failed_ms", absl::ToInt64Milliseconds(change.failed_for)},
             {"failures", change.failures}});
    return;
  }
  const std::string problem = ProblemText(change.problem);
  LogLine(LogLevel::kWarning, "an upstream fails and is passed over",
          {of_listener,
           upstream,
           {"error", problem},
           {"retry_ms", absl::ToInt64Milliseconds(change.back_off)}});
}

absl::string_view WhatIsShort(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "the limit of sockets is reached; raise --max-sockets";
    case EMFILE:
      return "no fd is left; raise RLIMIT_NOFILE";
    case ENFILE:
      return "no fd is left in the system; raise fs.file-max";
    case EADDRNOTAVAIL:
      return "no local port is left; widen net.ipv4.ip_local_port_range";
    case ENOBUFS:
    case ENOMEM:
      return "the kernel has no memory for it";
    default:
      return "the address cannot be connected to";
  }
}

// At most one line a second, that says how many clients it is about. The service thread.
class ShortageLog {
 public:
  explicit ShortageLog(absl::string_view listener) : listener_(listener) {}

  void operator()(int error_number) {
    ++clients_;
    const absl::Duration now = ServiceClock();
    if (now < next_line_) return;
    next_line_ = now + absl::Seconds(1);
    LogLine(LogLevel::kWarning, "a client was reset: there is no socket for its upstream",
            {{"listener", listener_},
             {"clients", std::exchange(clients_, 0)},
             {"error", ProblemText(error_number)},
             {"reason", WhatIsShort(error_number)}});
  }

 private:
  const std::string listener_;
  int64_t clients_ = 0;
  absl::Duration next_line_;
};

bool AreSame(const UpstreamSet& a, const UpstreamSet& b) {
  const auto has_same_text = [](const auto& one, const auto& other) {
    return one->text() == other->text();
  };
  return a.policy() == b.policy() &&
         std::ranges::equal(a.upstreams(), b.upstreams(), has_same_text);
}

std::shared_ptr<const ServiceParameters> WithRoute(std::shared_ptr<ForwardRoute> route) {
  auto parameters = std::make_shared<ForwardParameters>();
  parameters->route = std::move(route);
  return parameters;
}

absl::Status FollowNames(const std::vector<std::shared_ptr<Upstream>>& upstreams) {
  for (const std::shared_ptr<Upstream>& upstream : upstreams) {
    if (upstream->host().empty()) continue;
    absl::Status status = HostResolver::OfProcess().Follow(upstream, LogLookUp);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServiceParameters>> DecodeForward(
    absl::string_view id, const v1::Listener& listener) {
  const v1::ForwardParameters& given = listener.forward();
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(listener.address());
  if (!address.ok()) return WithField(address.status(), "listener.address");
  const Protocol protocol = address->protocol();
  if (protocol == Protocol::kUnixDatagram) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("address ", listener.address(),
                              ": forward takes connections and UDP, no unix datagrams"),
                 {{"value", listener.address()}}, "listener.address");
  }
  FieldErrors errors;
  CheckKind(listener, protocol, errors);
  auto upstreams = DecodeUpstreams(given, protocol == Protocol::kUdp);
  errors.Add(upstreams.status());
  const absl::StatusOr<UpstreamPolicy> policy = DecodePolicy(given.policy());
  errors.Add(policy.status());
  const absl::StatusOr<ForwardOptions> options = DecodeOptions(given);
  errors.Add(options.status());
  if (!errors.empty()) return errors.ToStatus();
  if (absl::Status status = FollowNames(*upstreams); !status.ok()) return status;
  auto set = std::make_shared<UpstreamSet>(
      *std::move(upstreams), *policy,
      [name = std::string(id)](const UpstreamChange& change) { LogChange(name, change); });
  return WithRoute(std::make_shared<ForwardRoute>(std::move(set), *options, ShortageLog(id)));
}

std::shared_ptr<const ServiceParameters> WithKnownUpstreams(
    const ServiceParameters* before, std::shared_ptr<const ServiceParameters> after) {
  const auto* known = dynamic_cast<const ForwardParameters*>(before);
  const auto* wanted = dynamic_cast<const ForwardParameters*>(after.get());
  if (!known || !wanted) return after;
  const std::shared_ptr<UpstreamSet>& set = known->route->upstreams;
  if (!AreSame(*set, *wanted->route->upstreams)) return after;
  return WithRoute(
      std::make_shared<ForwardRoute>(set, wanted->route->options, wanted->route->report_shortage));
}

}  // namespace sockhost
