#include "client/watch_frame.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "client/display_text.h"
#include "client/resource_name.h"
#include "client/resource_tables.h"
#include "client/text_table.h"

namespace sockhost::client {
namespace {

constexpr Align kRight = Align::kRight;

constexpr size_t kRateWidth = 6;  // of "999.9k": columns of rates do not jump about

// Left out in this order on narrow terminals.
constexpr absl::string_view kDispensableColumns[] = {"FD", "SERVICE", "ROLE", "ACCEPTS",
                                                     "LISTENER"};

using Socket = SampledSocket;

int64_t IdOf(const Socket& socket) {
  int64_t id = 0;
  return absl::SimpleAtoi(BareId(kSockets, socket.socket.name()), &id) ? id : 0;
}

// Greater is more active: what moves now, then what has moved most, then the oldest.
auto ActivityRank(const Socket& socket) {
  const Activity<double> rates = socket.rates.value_or(Activity<double>());
  const v1::Counters& counters = socket.socket.counters();
  return std::tuple(rates.events + rates.accepts, rates.receive_bytes + rates.transmit_bytes,
                    counters.handler_calls() + counters.accepted_connections(), -IdOf(socket));
}

std::vector<const Socket*> ByActivity(const SocketSamples& samples) {
  std::vector<const Socket*> sockets;
  for (const auto& [name, socket] : samples.sockets()) sockets.push_back(&socket);
  std::sort(sockets.begin(), sockets.end(),
            [](const Socket* a, const Socket* b) { return ActivityRank(*a) > ActivityRank(*b); });
  return sockets;
}

std::string Rate(const Socket& socket, double Activity<double>::*member) {
  return socket.rates.has_value() ? RateText((*socket.rates).*member) : "";
}

void AddRow(const Socket& sampled, TextTable* table) {
  const v1::Socket& socket = sampled.socket;
  const v1::Counters& counters = socket.counters();
  using Rates = Activity<double>;
  table->AddRow({BareId(kSockets, socket.name()), absl::StrCat(socket.fd()),
                 EnumText(socket.role(), v1::Socket::Role_Name),
                 BareId(kServices, socket.service()), BareId(kListeners, socket.listener()),
                 socket.remote_address().empty() ? socket.local_address() : socket.remote_address(),
                 absl::StrCat(counters.accepted_connections()),
                 absl::StrCat(counters.handler_calls()), Rate(sampled, &Rates::events),
                 absl::StrCat(counters.receive_bytes()), Rate(sampled, &Rates::receive_bytes),
                 absl::StrCat(counters.transmit_bytes()), Rate(sampled, &Rates::transmit_bytes)});
}

TextTable TableOfSockets(const std::vector<const Socket*>& sockets, size_t count) {
  TextTable table({{"ID", kRight},
                   {"FD", kRight},
                   {"ROLE"},
                   {"SERVICE"},
                   {"LISTENER"},
                   {"ADDRESS"},
                   {"ACCEPTS", kRight},
                   {"EVENTS", kRight},
                   {"EV/S", kRight, kRateWidth},
                   {"RX-BYTES", kRight},
                   {"RX/S", kRight, kRateWidth},
                   {"TX-BYTES", kRight},
                   {"TX/S", kRight, kRateWidth}});
  for (size_t i = 0; i < count; ++i) AddRow(*sockets[i], &table);
  return table;
}

std::string TotalText(absl::string_view what, int64_t total, std::optional<double> rate) {
  return absl::StrCat(what, " ", total,
                      rate.has_value() ? absl::StrCat(" (", RateText(*rate), "/s)") : "");
}

// Over the sockets that are open and match the filter.
std::string TotalsLine(const SocketSamples& samples) {
  Activity<int64_t> total;
  std::optional<double> event_rate, receive_rate, transmit_rate;  // nothing: none is known
  for (const auto& [name, sampled] : samples.sockets()) {
    const v1::Counters& counters = sampled.socket.counters();
    total.events += counters.handler_calls();
    total.receive_bytes += counters.receive_bytes();
    total.transmit_bytes += counters.transmit_bytes();
    if (!sampled.rates.has_value()) continue;
    event_rate = event_rate.value_or(0) + sampled.rates->events;
    receive_rate = receive_rate.value_or(0) + sampled.rates->receive_bytes;
    transmit_rate = transmit_rate.value_or(0) + sampled.rates->transmit_bytes;
  }
  return absl::StrCat(TotalText("events", total.events, event_rate), "   ",
                      TotalText("rx-bytes", total.receive_bytes, receive_rate), "   ",
                      TotalText("tx-bytes", total.transmit_bytes, transmit_rate));
}

std::string StateLine(const SocketSamples& samples, absl::TimeZone time_zone) {
  std::string line = absl::StrCat(
      "sockhost ", absl::FormatTime("%Y-%m-%d %H:%M:%E1S %Z", samples.sample_time(), time_zone),
      "   sockets ", samples.sockets().size(), "   sample ", samples.complete_samples());
  if (samples.coalesced() > 0) absl::StrAppend(&line, " (missed ", samples.coalesced(), ")");
  return absl::StrCat(line, "   instance ", Printable(samples.instance_id()));
}

}  // namespace

WatchFrame DrawFrame(const SocketSamples& samples, const FrameSize& size,
                     absl::TimeZone time_zone) {
  WatchFrame frame;
  frame.summary = {StateLine(samples, time_zone), TotalsLine(samples)};
  const std::vector<const Socket*> sockets = ByActivity(samples);
  const size_t taken = frame.summary.size() + 1;  // and the titles
  const size_t room = size.lines > taken ? size.lines - taken : 0;
  const bool all_fit = sockets.size() <= room;
  const size_t shown = all_fit ? sockets.size() : std::max<size_t>(room, 1) - 1;
  TextTable table = TableOfSockets(sockets, shown);
  for (const absl::string_view title : kDispensableColumns) {
    if (table.width() > size.columns) table.RemoveColumn(title);
  }
  frame.rows = table.Lines();
  frame.titles = std::move(frame.rows.front());
  frame.rows.erase(frame.rows.begin());
  if (!all_fit) frame.rows.push_back(absl::StrCat("... and ", sockets.size() - shown, " more"));
  const auto cut = [&size](std::string& line) {
    line.resize(CutToWidth(line, size.columns).size());
  };
  std::for_each(frame.summary.begin(), frame.summary.end(), cut);
  std::for_each(frame.rows.begin(), frame.rows.end(), cut);
  cut(frame.titles);
  return frame;
}

}  // namespace sockhost::client
