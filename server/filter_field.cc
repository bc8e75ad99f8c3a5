#include "filter_field.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sockhost {
namespace {

constexpr absl::string_view kCounterPrefix = "counters.";

template <class Enum>
constexpr FilterWord WordOf(absl::string_view name, Enum value) {
  return {name, static_cast<int64_t>(value)};
}

// The names of socket.proto; a test compares them.
constexpr FilterWord kRoles[] = {
    WordOf("LISTENING", Role::kListening), WordOf("CONNECTION", Role::kConnection),
    WordOf("DATAGRAM", Role::kDatagram),   WordOf("REGISTERED", Role::kRegistered),
    WordOf("UPSTREAM", Role::kUpstream),
};
constexpr FilterWord kProtocols[] = {
    WordOf("PROTOCOL_UNSPECIFIED", Protocol::kNone),
    WordOf("TCP", Protocol::kTcp),
    WordOf("UDP", Protocol::kUdp),
    WordOf("UNIX_STREAM", Protocol::kUnixStream),
    WordOf("UNIX_DATAGRAM", Protocol::kUnixDatagram),
};
constexpr FilterWord kBooleans[] = {{"true", 1}, {"false", 0}};

constexpr FilterNumberField kNumberFields[] = {
    {"fd", [](const SocketSnapshot& s) { return int64_t{s.fd}; }},
    {"role", [](const SocketSnapshot& s) { return static_cast<int64_t>(s.role); }, kRoles},
    {"protocol", [](const SocketSnapshot& s) { return static_cast<int64_t>(s.protocol); },
     kProtocols},
    {"masked", [](const SocketSnapshot& s) { return int64_t{s.masked}; }, kBooleans},
#define SOCKHOST_X(counter, kind)                                        \
  {"counters." #counter,                                                 \
   [](const SocketSnapshot& s) { return s.counters[Counter::counter]; }, \
   {},                                                                   \
   CounterKind::kind == CounterKind::kTime},
    SOCKHOST_COUNTERS(SOCKHOST_X)
#undef SOCKHOST_X
};

absl::string_view ReadName(const SocketSnapshot& socket, std::string& storage) {
  // Takes no memory: an id of less than 16 digits fits into the string itself.
  storage = absl::StrCat(socket.id);
  return storage;
}

absl::string_view ReadText(const std::shared_ptr<const std::string>& text) {
  return text ? absl::string_view(*text) : absl::string_view();
}

absl::string_view ReadAddress(const SocketAddress& address, std::string& storage) {
  storage = address.ToString();
  return storage;
}

constexpr FilterTextField kTextFields[] = {
    {"name", ReadName, "sockets/"},
    {"service", [](const SocketSnapshot& s, std::string&) { return ReadText(s.service); },
     "services/"},
    {"listener", [](const SocketSnapshot& s, std::string&) { return ReadText(s.listener); },
     "listeners/"},
    {"local_address",
     [](const SocketSnapshot& s, std::string& storage) { return ReadAddress(s.local, storage); },
     "", [](const SocketSnapshot& s) -> const SocketAddress& { return s.local; }},
    {"remote_address",
     [](const SocketSnapshot& s, std::string& storage) { return ReadAddress(s.remote, storage); },
     "", [](const SocketSnapshot& s) -> const SocketAddress& { return s.remote; }},
};

template <class Field, size_t n>
const Field* Find(const Field (&fields)[n], absl::string_view name) {
  const Field* found = std::find_if(std::begin(fields), std::end(fields),
                                    [name](const Field& field) { return field.name == name; });
  return found == std::end(fields) ? nullptr : found;
}

// Single-character insertions, deletions and replacements between both.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  // row[j]: distance of the prefix of `a` seen so far and the first j of `b`.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// Without what is most often missed: localAddress is near to local_address, and
// receive_bytes to counters.receive_bytes.
std::string Plain(absl::string_view name) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(name, {{"_", ""}, {kCounterPrefix, ""}}));
}

}  // namespace

const FilterNumberField* FindFilterNumberField(absl::string_view name) {
  return Find(kNumberFields, name);
}

const FilterTextField* FindFilterTextField(absl::string_view name) {
  return Find(kTextFields, name);
}

absl::string_view NearestFilterField(absl::string_view name) {
  // Longer than every field, and short enough to be compared with all of them.
  constexpr size_t kLongestName = 64;
  if (name.size() > kLongestName) return {};
  const std::string plain = Plain(name);
  absl::string_view nearest;
  size_t smallest = std::max<size_t>(1, plain.size() / 3) + 1;
  const auto consider = [&](absl::string_view field) {
    const size_t distance = EditDistance(plain, Plain(field));
    if (distance >= smallest) return;
    smallest = distance;
    nearest = field;
  };
  for (const FilterTextField& field : kTextFields) consider(field.name);
  for (const FilterNumberField& field : kNumberFields) consider(field.name);
  return nearest;
}

std::string ListFilterFields() {
  std::string out;
  for (const FilterTextField& field : kTextFields) absl::StrAppend(&out, field.name, ", ");
  for (const FilterNumberField& field : kNumberFields) {
    if (!absl::StartsWith(field.name, kCounterPrefix)) absl::StrAppend(&out, field.name, ", ");
  }
  return absl::StrCat(out, "and ", kCounterPrefix, "NAME");
}

}  // namespace sockhost
