#include "client/watch_frame.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/display_text.h"
#include "client/read_mask.h"
#include "client/resource_name.h"
#include "client/resource_tables.h"
#include "client/text_table.h"

namespace sockhost::client {
namespace {

constexpr Align kRight = Align::kRight;

constexpr size_t kRateWidth = 6;  // of "999.9k": columns of rates do not jump about

constexpr absl::string_view kAddress = "ADDRESS";
constexpr size_t kLeastAddressWidth = 16;  // both ends of it can be told apart

// Left out in this order on narrow terminals. The id stays: it is the name.
constexpr absl::string_view kDispensableColumns[] = {"FD",       "SERVICE",  "ROLE",     "ACCEPTS",
                                                     "LISTENER", "TX-BYTES", "RX-BYTES", "EVENTS",
                                                     kAddress,   "TX/S",     "RX/S",     "EV/S"};

constexpr absl::string_view kEvents = "counters.handler_calls";
constexpr absl::string_view kReceived = "counters.receive_bytes";
constexpr absl::string_view kTransmitted = "counters.transmit_bytes";

// Where the columns come from.
constexpr struct {
  absl::string_view title;
  absl::string_view path;
  absl::string_view other_path = path;  // one of both is enough
} kSources[] = {{"FD", "fd"},
                {"ROLE", "role"},
                {"SERVICE", "service"},
                {"LISTENER", "listener"},
                {kAddress, "remote_address", "local_address"},
                {"ACCEPTS", "counters.accepted_connections"},
                {"EVENTS", kEvents},
                {"EV/S", kEvents},
                {"RX-BYTES", kReceived},
                {"RX/S", kReceived},
                {"TX-BYTES", kTransmitted},
                {"TX/S", kTransmitted}};

using google::protobuf::FieldMask;
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

using Parts = std::vector<std::string>;

// Over the sockets that are open and match the filter.
Parts Totals(const SocketSamples& samples, const FieldMask& mask) {
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
  Parts parts;
  if (IsShown(mask, kEvents)) parts.push_back(TotalText("events", total.events, event_rate));
  if (IsShown(mask, kReceived)) {
    parts.push_back(TotalText("rx-bytes", total.receive_bytes, receive_rate));
  }
  if (IsShown(mask, kTransmitted)) {
    parts.push_back(TotalText("tx-bytes", total.transmit_bytes, transmit_rate));
  }
  return parts;
}

Parts StateOf(const SocketSamples& samples, absl::TimeZone time_zone) {
  std::string sample = absl::StrCat("sample ", samples.complete_samples());
  if (samples.coalesced() > 0) absl::StrAppend(&sample, " (missed ", samples.coalesced(), ")");
  return {absl::StrCat("sockhost ", absl::FormatTime("%Y-%m-%d %H:%M:%E1S %Z",
                                                     samples.sample_time(), time_zone)),
          absl::StrCat("sockets ", samples.sockets().size()), sample,
          absl::StrCat("instance ", Printable(samples.instance_id()))};
}

// Adds `parts` in as many lines as they need. One that is wider than all of them is
// left out: half a number is another number.
void AddLines(const Parts& parts, size_t columns, std::vector<std::string>* lines) {
  constexpr absl::string_view kGap = "   ";
  std::string line;
  for (const std::string& part : parts) {
    if (DisplayWidth(part) > columns) continue;
    if (!line.empty() && DisplayWidth(line) + kGap.size() + DisplayWidth(part) > columns) {
      lines->push_back(std::exchange(line, ""));
    }
    absl::StrAppend(&line, line.empty() ? "" : kGap, part);
  }
  if (!line.empty()) lines->push_back(line);
}

// Of a table whose addresses are as short as they get.
size_t LeastWidth(const TextTable& table) {
  const size_t address = table.width_of(kAddress);
  return table.width() - (std::max(address, kLeastAddressWidth) - kLeastAddressWidth);
}

void FitInto(size_t columns, TextTable* table) {
  for (const absl::string_view title : kDispensableColumns) {
    if (LeastWidth(*table) > columns) table->RemoveColumn(title);
  }
  if (table->width() <= columns) return;
  const size_t excess = table->width() - columns;
  const size_t address = table->width_of(kAddress);
  table->ShortenColumn(kAddress, std::max(address, excess + kLeastAddressWidth) - excess);
}

}  // namespace

WatchFrame DrawFrame(const SocketSamples& samples, const FrameSize& size, absl::TimeZone time_zone,
                     const FieldMask& mask) {
  WatchFrame frame;
  AddLines(StateOf(samples, time_zone), size.columns, &frame.summary);
  AddLines(Totals(samples, mask), size.columns, &frame.summary);
  // The titles and a row come first.
  const size_t summary_room = size.lines > 2 ? size.lines - 2 : 0;
  if (frame.summary.size() > summary_room) frame.summary.resize(summary_room);
  const std::vector<const Socket*> sockets = ByActivity(samples);
  const size_t taken = frame.summary.size() + 1;  // and the titles
  const size_t room = size.lines > taken ? size.lines - taken : 0;
  const bool all_fit = sockets.size() <= room;
  const size_t shown = all_fit ? sockets.size() : std::max<size_t>(room, 1) - 1;
  TextTable table = TableOfSockets(sockets, shown);
  for (const auto& [title, path, other_path] : kSources) {
    if (!IsShown(mask, path) && !IsShown(mask, other_path)) table.RemoveColumn(title);
  }
  FitInto(size.columns, &table);
  frame.rows = table.Lines();
  frame.titles = std::move(frame.rows.front());
  frame.rows.erase(frame.rows.begin());
  if (!all_fit) frame.rows.push_back(absl::StrCat("... and ", sockets.size() - shown, " more"));
  // Not even the ids fit: it is seen that there is something.
  for (std::string& row : frame.rows) {
    if (DisplayWidth(row) > size.columns) row = ShortenedTo(row, std::min<size_t>(size.columns, 1));
  }
  frame.titles = ShortenedTo(frame.titles, size.columns);
  return frame;
}

}  // namespace sockhost::client
