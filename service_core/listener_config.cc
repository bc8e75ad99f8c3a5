#include "sockhost/listener_config.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int kMaxBacklog = 65535;
constexpr int kMaxAcceptsPerEvent = 1024;
// tcp(7); the kernel refuses more.
constexpr int kMaxKeepaliveCount = 127;
constexpr absl::Duration kMaxKeepaliveTime = absl::Seconds(32767);
constexpr int kMaxBufferBytes = 1 << 30;
constexpr absl::Duration kDay = absl::Hours(24);

absl::Status ValidateId(absl::string_view id) {
  if (IsListenerId(id)) return absl::OkStatus();
  const std::string shown = absl::CHexEscape(id.substr(0, 128));
  return Error(Reason::kLISTENER_ID_INVALID,
               absl::StrCat("listener id \"", shown,
                            "\": use 1 to 63 lower-case letters, digits and '-'; begin with a "
                            "letter, do not end with '-'"),
               {{"listener_id", shown}}, "listener_id");
}

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return Error(Reason::kFIELD_INVALID, absl::StrCat(field, " ", value, ": ", rule),
               {{"value", std::string(value)}}, absl::StrCat("listener.", field));
}

void ValidateNumbers(const ListenerConfig& config, FieldErrors& errors) {
  const SocketTuning& tuning = config.socket.tuning;
  const struct {
    absl::string_view field;
    int value;
    int most;
    absl::string_view rule;
  } rows[] = {
      {"backlog", config.socket.backlog, kMaxBacklog, "use 0 (default) to 65535"},
      {"max_connections", config.max_connections, INT32_MAX,
       "use 0 (no limit) or a positive number"},
      {"max_connections_per_source", config.max_connections_per_source, INT32_MAX,
       "use 0 (no limit) or a positive number"},
      {"max_accepts_per_event", config.max_accepts_per_event, kMaxAcceptsPerEvent,
       "use 0 (default) to 1024"},
      {"tcp_keepalive.count", tuning.keepalive_count, kMaxKeepaliveCount, "use 0 (default) to 127"},
      {"receive_buffer_bytes", tuning.receive_buffer_bytes, kMaxBufferBytes,
       "use 0 (default) to 1073741824"},
      {"send_buffer_bytes", tuning.send_buffer_bytes, kMaxBufferBytes,
       "use 0 (default) to 1073741824"},
  };
  for (const auto& row : rows) {
    if (row.value < 0 || row.value > row.most) {
      errors.Add(Invalid(row.field, absl::StrCat(row.value), row.rule));
    }
  }
}

void ValidateDurations(const ListenerConfig& config, FieldErrors& errors) {
  const SocketTuning& tuning = config.socket.tuning;
  const struct {
    absl::string_view field;
    absl::Duration value;
    absl::Duration least;  // other than zero
    absl::Duration most;
    absl::string_view rule;
  } rows[] = {
      {"idle_timeout", config.idle_timeout, absl::Milliseconds(100), 30 * kDay,
       "use 0s (none), or 100ms to 30 days"},
      {"max_lifetime", config.max_lifetime, absl::Milliseconds(100), 30 * kDay,
       "use 0s (none), or 100ms to 30 days"},
      {"drain_timeout", config.drain_timeout, absl::ZeroDuration(), kDay, "use 0s to 24 hours"},
      {"tcp_keepalive.idle", tuning.keepalive_idle, absl::Seconds(1), kMaxKeepaliveTime,
       "use 0s (default), or 1s to 32767s"},
      {"tcp_keepalive.interval", tuning.keepalive_interval, absl::Seconds(1), kMaxKeepaliveTime,
       "use 0s (default), or 1s to 32767s"},
      {"tcp_user_timeout", tuning.tcp_user_timeout, absl::Milliseconds(1), kDay,
       "use 0s (default), or 1ms to 24 hours"},
  };
  for (const auto& row : rows) {
    if (row.value == absl::ZeroDuration()) continue;
    if (row.value < row.least || row.value > row.most) {
      errors.Add(Invalid(row.field, absl::FormatDuration(row.value), row.rule));
    }
  }
}

// "mode 0660 owner 7": what is set.
std::string Shown(const UnixSocketAccess& access) {
  std::string out;
  const auto add = [&out](absl::string_view name, const std::string& value) {
    absl::StrAppend(&out, out.empty() ? "" : " ", name, " ", value);
  };
  if (access.mode != 0) add("mode", absl::StrFormat("%04o", access.mode));
  if (access.owner >= 0) add("owner", absl::StrCat(access.owner));
  if (access.group >= 0) add("group", absl::StrCat(access.group));
  return out;
}

// Options of another protocol would be taken for set, and do nothing.
void ValidateProtocol(const ListenerConfig& config, FieldErrors& errors) {
  const SocketOptions& socket = config.socket;
  const SocketAddress& address = config.address;
  const bool is_ip = !address.is_unix();
  const bool is_tcp = address.protocol() == Protocol::kTcp;
  const int per_source = config.max_connections_per_source;
  const absl::Duration user_timeout = socket.tuning.tcp_user_timeout;
  const struct {
    absl::string_view field;
    bool is_set;
    std::string value;
    bool fits;
    absl::string_view addresses;
  } rows[] = {
      {"unix_access", socket.unix_access != UnixSocketAccess(), Shown(socket.unix_access),
       !address.path().empty(), "unix:/// and unixgram:///"},
      {"reuse_port", socket.reuse_port, "true", is_ip, "tcp:// and udp://"},
      {"max_connections_per_source", per_source > 0, absl::StrCat(per_source), is_ip, "tcp://"},
      {"tcp_keepalive", socket.tuning.keepalive, "true", is_tcp, "tcp://"},
      {"tcp_user_timeout", user_timeout != absl::ZeroDuration(), absl::FormatDuration(user_timeout),
       is_tcp, "tcp://"},
  };
  for (const auto& row : rows) {
    if (!row.is_set || row.fits) continue;
    errors.Add(Error(Reason::kFIELD_INVALID,
                     absl::StrCat(row.field, " ", row.value, ": it is for ", row.addresses,
                                  " addresses, not for ", address.ToString(), "; leave it out"),
                     {{"value", row.value}, {"address", address.ToString()}},
                     absl::StrCat("listener.", row.field)));
  }
  if (socket.unix_access.mode > 0777) {
    errors.Add(Invalid("unix_access.mode", absl::StrFormat("%04o", socket.unix_access.mode),
                       "use an octal number up to 0777"));
  }
}

}  // namespace

bool IsListenerId(absl::string_view id) {
  if (id.empty() || id.size() > 63) return false;
  if (!absl::ascii_islower(static_cast<unsigned char>(id.front())) || id.back() == '-') {
    return false;
  }
  return std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

absl::Status ValidateListenerConfig(const ListenerConfig& config) {
  FieldErrors errors;
  errors.Add(ValidateId(config.name));
  ValidateNumbers(config, errors);
  ValidateDurations(config, errors);
  if (!config.address.empty()) ValidateProtocol(config, errors);
  return errors.ToStatus();
}

}  // namespace sockhost
