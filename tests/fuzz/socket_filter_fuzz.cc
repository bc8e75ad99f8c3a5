// SocketFilter: any text is an error, or a filter that keeps the rules of logic
// and survives being printed. What follows the last line break of the input is
// the id of a service, which filters are matched against.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "require.h"
#include "server/filter_syntax.h"
#include "server/resource_filter.h"

namespace sockhost {
namespace {

std::vector<SocketSnapshot> MakeSockets(absl::string_view service) {
  SocketSnapshot first;
  first.id = 1;
  first.fd = 5;
  first.role = Role::kListening;
  first.protocol = Protocol::kTcp;
  first.service = std::make_shared<const std::string>(service);
  first.listener = std::make_shared<const std::string>("web");
  first.local = SocketAddress::Parse("tcp://[::]:80").value();

  SocketSnapshot second = first;
  second.id = std::numeric_limits<SocketId>::max();
  second.role = Role::kConnection;
  second.local = SocketAddress::Parse("tcp://10.0.0.1:80").value();
  second.remote = SocketAddress::Parse("tcp://[2001:db8::1]:50001").value();
  second.masked = true;
  for (size_t i = 0; i < kCounters; ++i) {
    second.counters[static_cast<Counter>(i)] = int64_t{1} << i;
  }
  // All defaults: no service, no addresses.
  return {first, second, SocketSnapshot()};
}

// ---- Printing ---------------------------------------------------------------

std::string Print(const FilterValue& value) {
  const std::string joined =
      absl::StrJoin(value.pieces, "*", [](std::string* out, const std::string& piece) {
        absl::StrAppend(out,
                        absl::StrReplaceAll(piece, {{"\\", "\\\\"}, {"\"", "\\\""}, {"*", "\\*"}}));
      });
  return absl::StrCat("\"", joined, "\"");
}

std::string Print(const FilterComparison& c) {
  return absl::StrCat(c.negated ? "NOT " : "", c.field, OperatorText(c.op), Print(c.value));
}

std::string Print(const FilterGroup& group) {
  std::vector<std::string> terms;
  for (const FilterComparison& comparison : group.comparisons) terms.push_back(Print(comparison));
  for (const FilterGroup& inner : group.groups) {
    terms.push_back(absl::StrCat(inner.negated ? "-(" : "(", Print(inner), ")"));
  }
  return absl::StrJoin(terms, group.kind == FilterGroup::Kind::kAll ? " AND " : " OR ");
}

// ---- Promises ---------------------------------------------------------------

void RequireSameMatches(const SocketFilter& a, const SocketFilter& b,
                        const std::vector<SocketSnapshot>& sockets) {
  for (const SocketSnapshot& socket : sockets) {
    Require(a.Matches(socket) == b.Matches(socket), "equal filters match the same");
  }
}

void CheckError(absl::string_view text, const absl::Status& status) {
  ErrorDetail detail = RequireParseError(status, Reason::kFILTER_INVALID);
  Require(detail.field == "filter", "the field is named");
  size_t position = 0;
  Require(absl::SimpleAtoi(detail.metadata["position"], &position), "the position is a number");
  Require(position >= 1 && position <= text.size() + 1, "the position is in the text");
}

void CheckPrinting(absl::string_view text, const SocketFilter& filter,
                   const std::vector<SocketSnapshot>& sockets) {
  const std::string printed = Print(ParseFilter(text).value());
  // Quotes and escapes may have made it longer than a filter can be.
  if (printed.size() > kMaxFilterBytes) return;
  const absl::StatusOr<SocketFilter> again = SocketFilter::Parse(printed);
  Require(again.ok(), "a printed filter is read back");
  Require(Print(ParseFilter(printed).value()) == printed, "printing is canonical");
  RequireSameMatches(filter, *again, sockets);
}

void RequireOpposite(const SocketFilter& a, const SocketFilter& b,
                     const std::vector<SocketSnapshot>& sockets) {
  for (const SocketSnapshot& socket : sockets) {
    Require(a.Matches(socket) != b.Matches(socket), "NOT turns the answer round");
  }
}

// The definition of AND, OR and NOT, slow and plain: each comparison is a filter of
// its own.
bool HoldsByDefinition(const FilterGroup& group, const SocketSnapshot& socket) {
  const bool is_all = group.kind == FilterGroup::Kind::kAll;
  bool holds = is_all;
  const auto add = [&](bool answer) { holds = is_all ? holds && answer : holds || answer; };
  for (FilterComparison comparison : group.comparisons) {
    const bool negated = std::exchange(comparison.negated, false);
    add(SocketFilter::Parse(Print(comparison)).value().Matches(socket) != negated);
  }
  for (const FilterGroup& inner : group.groups) add(HoldsByDefinition(inner, socket));
  return holds != group.negated;
}

void CheckDefinition(absl::string_view text, const SocketFilter& filter,
                     const std::vector<SocketSnapshot>& sockets) {
  const FilterGroup syntax = ParseFilter(text).value();
  // Quotes may have made it longer than a filter can be.
  if (Print(syntax).size() > kMaxFilterBytes) return;
  for (const SocketSnapshot& socket : sockets) {
    Require(filter.Matches(socket) == HoldsByDefinition(syntax, socket), "AND, OR and NOT hold");
  }
}

void CheckLogic(absl::string_view text, const SocketFilter& filter,
                const std::vector<SocketSnapshot>& sockets) {
  const bool blank = text.find_first_not_of(" \t\r\n") == absl::string_view::npos;
  const absl::StatusOr<SocketFilter> negated =
      SocketFilter::Parse(absl::StrCat("NOT (", text, ")"));
  if (!negated.ok()) {
    Require(blank || text.size() + 6 > kMaxFilterBytes ||
                absl::StrContains(negated.status().message(), "nested deeper"),
            "a filter can be negated");
    return;
  }
  RequireOpposite(filter, *negated, sockets);
  for (const char* join : {") AND (", ") OR ("}) {
    const auto twice = SocketFilter::Parse(absl::StrCat("(", text, join, text, ")"));
    if (twice.ok()) RequireSameMatches(filter, *twice, sockets);
  }
}

// Whether `text` matches `pattern`, in which * stands for any characters: the
// definition, slow and plain.
bool MatchesByDefinition(absl::string_view pattern, absl::string_view text) {
  // ends[i]: what has been read of the pattern matches the first i of the text.
  std::vector<bool> ends(text.size() + 1);
  ends[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(text.size() + 1);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (c == '*') {
        next[i] = ends[i] || (i > 0 && next[i - 1]);
      } else {
        next[i] = i > 0 && ends[i - 1] && text[i - 1] == c;
      }
    }
    ends = next;
  }
  return ends[text.size()];
}

void CheckPattern(absl::string_view pattern, const SocketSnapshot& socket) {
  // With a slash it would be a full resource name.
  if (absl::StrContains(pattern, '/')) return;
  const std::string quoted =
      absl::StrCat("\"", absl::StrReplaceAll(pattern, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
  const absl::StatusOr<SocketFilter> filter = SocketFilter::Parse("service = " + quoted);
  if (!filter.ok()) {
    Require(quoted.size() + 10 > kMaxFilterBytes, "any quoted text is a pattern");
    return;
  }
  Require(filter->Matches(socket) == MatchesByDefinition(pattern, *socket.service),
          "* stands for any characters");
}

}  // namespace
}  // namespace sockhost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line_break = input.rfind('\n');
  const absl::string_view text = input.substr(0, line_break);
  const absl::string_view service =
      line_break == absl::string_view::npos ? "echo" : input.substr(line_break + 1);

  const std::vector<sockhost::SocketSnapshot> sockets = sockhost::MakeSockets(service);
  sockhost::CheckPattern(text, sockets.front());
  const absl::StatusOr<sockhost::SocketFilter> filter = sockhost::SocketFilter::Parse(text);
  if (!filter.ok()) {
    sockhost::CheckError(text, filter.status());
    return 0;
  }
  sockhost::CheckPrinting(text, *filter, sockets);
  sockhost::CheckLogic(text, *filter, sockets);
  sockhost::CheckDefinition(text, *filter, sockets);
  return 0;
}
