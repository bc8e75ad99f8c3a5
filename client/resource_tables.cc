#include "client/resource_tables.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/display_text.h"
#include "client/resource_name.h"

namespace sockhost::client {
namespace {

using google::protobuf::RepeatedPtrField;

constexpr Align kRight = Align::kRight;

template <class Resource>
std::string Age(const Resource& resource, absl::Time now) {
  return resource.has_create_time() ? AgeText(now - TimeOf(resource.create_time())) : "";
}

std::string AddressOf(const v1::Listener& listener) {
  return listener.effective_address().empty() ? listener.address() : listener.effective_address();
}

// Empty for an open socket.
std::string CloseReasonOf(const v1::Socket& socket) {
  if (socket.state() != v1::Socket::CLOSED) return "";
  return EnumText(socket.close_reason(), v1::Socket::CloseReason_Name);
}

// Empty for a literal address.
std::string ResolvedAddresses(const v1::UpstreamStatus& upstream) {
  const auto& addresses = upstream.addresses();
  const bool is_literal = addresses.size() == 1 && addresses[0] == upstream.upstream();
  return is_literal ? "" : absl::StrJoin(addresses, ",");
}

std::string FailingFor(const v1::UpstreamStatus& upstream, absl::Time now) {
  return upstream.has_failing_since() ? AgeText(now - TimeOf(upstream.failing_since())) : "";
}

// A whole second to come may be just under one by now: it is rounded up.
std::string RetryIn(const v1::UpstreamStatus& upstream, absl::Time now) {
  if (!upstream.has_retry_time()) return "";
  return AgeText(absl::Ceil(TimeOf(upstream.retry_time()) - now, absl::Seconds(1)));
}

std::string LastError(const v1::UpstreamStatus& upstream, absl::Time now) {
  if (upstream.last_error().empty()) return "";
  return absl::StrCat(upstream.last_error(), ", ",
                      AgeText(now - TimeOf(upstream.last_failure_time())), " ago");
}

std::string RegisteredFds(const v1::Service& service) {
  return service.capacity() == 0 ? "" : absl::StrCat(service.used(), "/", service.capacity());
}

}  // namespace

TextTable TableOf(const RepeatedPtrField<v1::Listener>& listeners, absl::Time now) {
  const bool shows_reasons =
      std::any_of(listeners.begin(), listeners.end(),
                  [](const v1::Listener& listener) { return !listener.state_reason().empty(); });
  TextTable table({{"NAME"},
                   {"SERVICE"},
                   {"ADDRESS"},
                   {"STATE"},
                   {"CONNECTIONS", kRight},
                   {"EVENTS", kRight},
                   {"RX-BYTES", kRight},
                   {"TX-BYTES", kRight},
                   {"AGE", kRight},
                   {"REASON"}});
  for (const v1::Listener& listener : listeners) {
    const v1::Counters& counters = listener.counters();
    table.AddRow({BareId(kListeners, listener.name()), BareId(kServices, listener.service()),
                  AddressOf(listener), EnumText(listener.state(), v1::Listener::State_Name),
                  absl::StrCat(counters.active_connections()),
                  absl::StrCat(counters.handler_calls()), absl::StrCat(counters.receive_bytes()),
                  absl::StrCat(counters.transmit_bytes()), Age(listener, now),
                  listener.state_reason()});
  }
  if (!shows_reasons) table.RemoveColumn("REASON");
  return table;
}

TextTable TableOf(const RepeatedPtrField<v1::Socket>& sockets, absl::Time now) {
  const bool shows_closed =
      std::any_of(sockets.begin(), sockets.end(),
                  [](const v1::Socket& socket) { return socket.state() == v1::Socket::CLOSED; });
  TextTable table({{"ID", kRight},
                   {"FD", kRight},
                   {"ROLE"},
                   {"SERVICE"},
                   {"LISTENER"},
                   {"LOCAL"},
                   {"REMOTE"},
                   {"ACCEPTS", kRight},
                   {"EVENTS", kRight},
                   {"RX-BYTES", kRight},
                   {"TX-BYTES", kRight},
                   {"AGE", kRight},
                   {"CLOSED"}});
  for (const v1::Socket& socket : sockets) {
    const v1::Counters& counters = socket.counters();
    table.AddRow(
        {BareId(kSockets, socket.name()), absl::StrCat(socket.fd()),
         EnumText(socket.role(), v1::Socket::Role_Name), BareId(kServices, socket.service()),
         BareId(kListeners, socket.listener()), socket.local_address(), socket.remote_address(),
         absl::StrCat(counters.accepted_connections()), absl::StrCat(counters.handler_calls()),
         absl::StrCat(counters.receive_bytes()), absl::StrCat(counters.transmit_bytes()),
         Age(socket, now), CloseReasonOf(socket)});
  }
  if (!shows_closed) table.RemoveColumn("CLOSED");
  return table;
}

TextTable TableOf(const RepeatedPtrField<v1::Service>& services, absl::Time) {
  TextTable table({{"NAME"},
                   {"KIND"},
                   {"REGISTERED", kRight},
                   {"SOCKETS", kRight},
                   {"EVENTS", kRight},
                   {"MAX-TIME", kRight},
                   {"OWNER"}});
  for (const v1::Service& service : services) {
    const v1::Counters& counters = service.counters();
    table.AddRow({BareId(kServices, service.name()),
                  EnumText(service.kind(), v1::Service::Kind_Name), RegisteredFds(service),
                  absl::StrCat(service.sockets()), absl::StrCat(counters.handler_calls()),
                  absl::FormatDuration(absl::Nanoseconds(counters.max_handler_time_nanos())),
                  service.owner()});
  }
  return table;
}

TextTable TableOf(const RepeatedPtrField<v1::UpstreamStatus>& upstreams, absl::Time now) {
  const bool shows_addresses = std::any_of(
      upstreams.begin(), upstreams.end(),
      [](const v1::UpstreamStatus& upstream) { return !ResolvedAddresses(upstream).empty(); });
  TextTable table({{"UPSTREAM"},
                   {"STATE"},
                   {"ACTIVE", kRight},
                   {"CONNECTIONS", kRight},
                   {"FAILURES", kRight},
                   {"IN-A-ROW", kRight},
                   {"FAILING-FOR", kRight},
                   {"RETRY-IN", kRight},
                   {"ADDRESSES"},
                   {"LAST-ERROR"}});
  for (const v1::UpstreamStatus& upstream : upstreams) {
    table.AddRow({upstream.upstream(), EnumText(upstream.state(), v1::UpstreamStatus::State_Name),
                  absl::StrCat(upstream.active_connections()), absl::StrCat(upstream.connections()),
                  absl::StrCat(upstream.failures()), absl::StrCat(upstream.consecutive_failures()),
                  FailingFor(upstream, now), RetryIn(upstream, now), ResolvedAddresses(upstream),
                  LastError(upstream, now)});
  }
  if (!shows_addresses) table.RemoveColumn("ADDRESSES");
  return table;
}

absl::Time TimeOf(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace sockhost::client
